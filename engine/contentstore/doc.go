// Package contentstore reads the content store of a containerd, its own or the
// one that dockerd serves on its API socket: which blobs there are, which of
// them the images reach, which layer each holds, and their bytes.
//
// Facts that it rests on, seen on Docker 26.1.5, 28.5.2 and 29 and on
// containerd 1.7 and 2.1: the labels containerd.io/gc.ref.content.* of a
// manifest, an index or a config name the blobs that it refers to, and the label
// containerd.io/uncompressed of a layer that was unpacked names its DiffID. A
// blob that nothing refers to is removed within seconds.
//
// The package writes nothing, makes no connection, and knows neither images
// by name nor engines.
package contentstore
