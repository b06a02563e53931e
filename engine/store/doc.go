// Package store has what all stores of images share: the [Store] interface,
// requests for images, image names, and the list of the layers that a store has
// ([HaveList]), which an archive leaves out.
//
// The package contains no store. Package engine chooses one; engine/docker,
// engine/containerd and engine/folder implement it.
package store
