// Package folder keeps images in an OCI image layout folder, with no engine:
// [NewSource] gives images of one, [NewSink] takes images into one.
//
// What it knows of images is in package catalog; the folder itself is kept here.
// Blobs are written by oras-go's content/oci, each to a file of its own that
// gets its name when its digest is right. That library saves index.json in
// place and knows no other process, so the index is kept here: it is read and
// replaced in one step under a lock, so that a folder is a valid layout at any
// time, and any number of writers of this package may share it. Nothing is ever
// deleted from a folder.
package folder
