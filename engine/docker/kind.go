package docker

import (
	"github.com/imgsend/imgsend/engine/docker/savetar"
	"github.com/imgsend/imgsend/engine/store"
)

// Kind is how an engine keeps images, which decides how it is asked for them.
type Kind int

// The kinds.
const (
	// Classic is Docker's graph-driver store. It knows layers by chain ID and
	// images by config digest.
	Classic Kind = iota
	// Containerd is Docker's containerd image store. It knows blobs by digest
	// and images by manifest or index digest.
	Containerd
	// Podman is containers/storage. It knows layers by DiffID, whatever is
	// below them, and images by config digest.
	Podman
)

func (k Kind) String() string { return kinds[k].storeName }

// properties are how engines of different kinds differ.
type properties struct {
	storeName string
	oneStore  bool // the program has no other: its own name says it

	key        store.Key      // what it knows layers by
	saveFormat savetar.Format // of what it saves

	// keepsBlobs: it keeps manifests, configs and layers as they came, those of
	// several platforms too, and may serve them. Images are known by the digest of their
	// manifest or index. Others keep uncompressed layers and know images by the digest
	// of their config.
	keepsBlobs bool

	// Of a load:

	// readsManifests: it makes an image of its manifest, and wants the right size and
	// digest of each layer there. Others go by Docker's manifest.json alone.
	readsManifests bool
	// composesManifest: it keeps no manifest as it came, and needs one made here.
	composesManifest bool
	oneImagePerLoad  bool   // of an archive with several
	zstdSince        string // the first API version that reads layers in zstd; empty: all do

	// Of a save or a push:

	savesEmpty    bool // it saves images without layers
	pushesByID    bool // an image without a name too, and asks for each layer first, by its DiffID
	exactSizes    bool // its history has the sizes of the uncompressed layers
	manifestLists bool // a name may be one of several images; a damaged one fails every list

	// Of containers:

	pausesCommits bool // a commit pauses the container if it is told to
	endsCommits   bool // it ends a commit whose connection is cut
	ownSettings   bool // it adds settings of its own to those of a container
}

var kinds = [...]properties{
	Classic: {
		storeName: "classic store", key: store.ByChain, saveFormat: savetar.Classic,
		zstdSince:     "1.42", // of Docker 23
		pausesCommits: true,
	},
	Containerd: {
		storeName: "containerd store", key: store.ByBlob, saveFormat: savetar.Content,
		keepsBlobs: true, readsManifests: true, savesEmpty: true,
		pausesCommits: true, endsCommits: true,
	},
	Podman: {
		storeName: "containers/storage", oneStore: true, key: store.ByDiffID, saveFormat: savetar.Podman,
		readsManifests: true, composesManifest: true, oneImagePerLoad: true,
		savesEmpty: true, pushesByID: true, exactSizes: true, manifestLists: true,
		endsCommits: true, ownSettings: true,
	},
}
