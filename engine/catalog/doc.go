// Package catalog gives images out of a store of blobs with named roots, and takes
// images into one: [NewSource] and [NewSink]. A root is the manifest or the index
// that an image is.
//
// The package does not know where blobs and names are kept: a [Store] does. It does
// not know engines; they may import it.
package catalog
