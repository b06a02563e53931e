package catalog

import (
	"context"
	"io"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Blobs keep blobs by their digest.
type Blobs interface {
	// Size and Open; a blob that Size has reported stays until the store is closed.
	layout.Blobs
	// Put writes the blob d. It reads r to its io.EOF, also if the blob is there
	// already, and returns r's error as it is. The blob is there only when r has
	// ended and had the size and the digest of d.
	Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error
}

// An Entry is a root as a store lists it.
type Entry struct {
	Name string             // in its short form and with a tag; empty: none
	Root ocispec.Descriptor // media type, digest and size
}

// Listed returns the names of the entries that have one.
func Listed(list []Entry) []string {
	var names []string
	for _, e := range list {
		if e.Name != "" {
			names = append(names, e.Name)
		}
	}
	return names
}

// Names maps names to roots. Each name has one root; a root may have several names.
type Names interface {
	// List returns one entry for each name, and one for each root without a name.
	List(ctx context.Context) ([]Entry, error)
	// Update calls change, once or more, with the entries that there are, and stores the
	// entries that it returns, in their order and all or none. A name that another root
	// has moves; a root that loses its last name stays, without one. If change fails
	// nothing is changed. No other Update happens in between.
	Update(ctx context.Context, change func(now []Entry) ([]Entry, error)) error
}

// A Store stores images.
type Store interface {
	Blobs
	Names
	// String returns the name of the store for errors.
	String() string
}

// A LayerFinder is a store that can also find layers by their DiffIDs.
type LayerFinder interface {
	// Layers returns the blobs of the layers with these DiffIDs, as far as there
	// are any.
	Layers(ctx context.Context, diffIDs []digest.Digest) (map[digest.Digest]ocispec.Descriptor, error)
}

// A Keeper is a store that removes blobs to which nothing refers.
type Keeper interface {
	// Keep keeps what a plan says is here, one element for each offered image. ok is
	// false if some of it is gone, and the plan is made anew then. A dry run keeps
	// nothing.
	Keep(ctx context.Context, o *transfer.Offer, here []Here) (ok bool, err error)
}

// Here has the blobs of one offered image that are present.
type Here struct {
	Root ocispec.Descriptor // of an image that is here as a whole
	// Layers are those of any other, bottom first: the blob that is here, with a size
	// and a media type if they are known, or the zero value.
	Layers []ocispec.Descriptor
}

// A Finisher is a store that has more to do for an image than to keep its blobs.
type Finisher interface {
	// Finish verifies an image whose blobs are all there, and prepares it for its
	// names. Its error ends the copy, and nothing is named.
	Finish(ctx context.Context, m *transfer.Image, root ocispec.Descriptor) error
}

// alone returns an index of one root.
func alone(root ocispec.Descriptor) ocispec.Index {
	x := layout.NewIndex()
	x.Manifests = []ocispec.Descriptor{{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}}
	return x
}

// named returns the root that has a name, or "".
func named(list []Entry, ref string) digest.Digest {
	want, err := layout.ShortName(ref)
	if err != nil {
		return ""
	}
	for _, e := range list {
		if e.Name == want {
			return e.Root.Digest
		}
	}
	return ""
}
