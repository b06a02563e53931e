// Package docker knows Docker and Podman: which engine to talk to, what it has,
// how to get images out of it without storing them, and how to put images in so
// that they are verified before they have a name.
//
// An [Engine] is a connection through the Docker API. [NewSource] makes it a
// [transfer.Source], [NewSink] a [transfer.Sink]. [Engine.Container] finds a
// container, which is sent as an image: [Container.Commit] puts its changes on
// top of its image's layers, [Container.Flatten] makes one layer of all its
// files.
//
// The facts about engines that the package rests on are written where they are
// used, with the versions they were seen on: Docker 20.10.24, 26.1.5, 28.5.2 and
// 29 with the classic store (graph drivers), 26.1.5, 28.5.2 and 29 with the
// containerd store, Podman 4.3.1 and 5.8.6.
//
// The package does not know who is at the other end of a transfer, does not
// write to the screen, starts no engine (see throwaway) and never talks to a
// registry. It stores nothing on disk but the file system of a flattened
// container and, one at a time, layers that a classic store or Podman pushes, in
// temporary files without a name.
package docker
