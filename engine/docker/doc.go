// Package docker is a store of images behind the Docker API: Docker with its
// classic store (graph drivers) or its containerd store, and Podman.
//
// [Find] connects to an [Engine]. [NewSource] makes it a [transfer.Source],
// [NewSink] a [transfer.Sink]. [Engine.Container] finds a container, which is sent
// as an image: [Container.Commit] puts its changes on top of its image's layers,
// [Container.Flatten] makes one layer of all its files.
//
// # The path of one transfer
//
//  1. NewSource resolves the requested names (image.go) and describes the images:
//     out of the content store (content.go), or by inspect and history (source.go).
//  2. Sink.Plan looks for the images and their layers: by blob in the content store
//     (content.go), else by chain ID or DiffID (present.go).
//  3. Source.Export gives the missing blobs (export.go): read from the content store,
//     pushed as single layers to a registry of ours (push.go, layerpush, loopback), or
//     saved (savetar).
//  4. Sink.Put streams each blob into the first of several open loads that needs it
//     (sink.go, load.go, stage.go): the lowest layers are loaded, as an image without a name
//     (prefix.go), while those above them are on their way.
//  5. Sink.Commit ends the last load with the manifests and without names, reads the
//     engine's answer, and verifies what is there (commit.go).
//  6. Only then the images get their names, all or none (naming.go). If a layer that was
//     present has vanished, the outcome asks for one full retry (sink.go).
//
// The facts about engines that the package rests on are written where they are
// used, with the versions they were seen on: Docker 20.10.24, 26.1.5, 28.5.2 and
// 29 with the classic store, 26.1.5, 28.5.2 and 29 with the containerd store, Podman
// 4.3.1 and 5.8.6.
//
// The package does not know who is at the other end of a transfer, does not
// write to the screen, starts no engine (see throwaway) and never talks to a
// registry. It stores nothing on disk but the file system of a flattened
// container and, one at a time, layers that a classic store or Podman pushes and
// layers that are decompressed for a Docker before 23, in temporary files without a
// name.
package docker
