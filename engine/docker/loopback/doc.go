// Package loopback is a registry on this host's loopback interface for one push:
// an engine that is told to push an image there hands over single layers, one at
// a time, in the order in which it comes to them.
//
// It is the push side of the OCI distribution specification ("Push"), as far as
// dockerd with a classic store and Podman use it: HEAD for a blob, then POST,
// PATCH and PUT. A layer's digest comes only with the final PUT. Whoever lacks the
// registry's password gets nothing but status 401.
//
// The package knows no engine, keeps no manifest and stores nothing.
package loopback
