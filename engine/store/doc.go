// Package store has what all stores of images share: the [Store] interface,
// requests for images and the names that they may have, and the list of what a
// store has, for archives that leave it out.
//
// The package knows no store. engine picks one, and engine/docker,
// engine/containerd and engine/folder are stores.
package store
