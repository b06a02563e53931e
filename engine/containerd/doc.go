// Package containerd gives images out of a containerd and takes images into one,
// through containerd's own API: k3s, RKE2, nerdctl, kind nodes. [Open] connects to
// it; [Store.Source] and [Store.Sink] are the two ends.
//
// What it knows of images is in package catalog, and what it knows of a content
// store in package contentstore. Here are names, leases, labels and snapshots.
//
// Facts that the package rests on, seen on containerd 1.7 and 2.1:
//
//   - A blob, an ingest or a snapshot that nothing refers to is removed within
//     seconds. References are the labels containerd.io/gc.ref.* of other blobs, the
//     target of an image record, and leases.
//   - A lease is created with the time at which it expires, and nothing can change
//     that time later. Resources can be added to a lease before it is known whether
//     they are there.
//   - A namespace exists from the first write into it on.
//   - Kubernetes (CRI) lists an image record as its own if it has the label
//     io.cri-containerd.image=managed, and gives each image a second record that is
//     named by its ID, the digest of its config. It does both by itself when it hears
//     of a record without the label; with the label it only lists the record.
//
// The package stores nothing on disk, starts no containers, and does not know the
// Docker API.
package containerd
