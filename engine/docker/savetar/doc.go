// Package savetar reads the tars that engines save images as: Docker's from 20.10
// on, of either store, and Podman's. It turns them into blobs as they come.
//
// The package knows no engine and makes no request. It keeps nothing but
// manifests.
package savetar
