package rootfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Config is what an image says of itself, Docker's additions to the OCI
// fields included.
type Config struct {
	ocispec.Image
	Config Settings `json:"config,omitempty"` // in place of Image's
}

// Settings are what an image says of its containers.
type Settings struct {
	dockerspec.DockerOCIImageConfig
	StopTimeout *int `json:",omitempty"` // in seconds
}

// A Source gives images of one layer each.
type Source struct {
	*layout.Source
	items  []layout.Item
	blobs  blobs
	layers []*Layer
}

var _ transfer.Source = (*Source)(nil)

// New returns the source of the image that has layer l, the config c and the
// names refs, each with a tag; none leaves it untagged. The platform in c must
// be set; its RootFS is set here. Equal layers and configs make equal images.
//
// The source closes the layer when it is closed, and New does when it fails.
func New(l *Layer, c Config, refs []string) (*Source, error) {
	c.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{l.DiffID}}
	b, err := json.Marshal(c)
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("write the image config: %w", err)
	}
	id, size := digest.FromBytes(b), int64(len(b))
	layer := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: l.DiffID, Size: l.Size}
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: id, Size: size}
	item := layout.Item{
		Image: transfer.Image{
			ID: id, Config: id, Refs: refs, Platform: c.Platform,
			Layers: []transfer.Layer{{DiffID: l.DiffID, Digest: l.DiffID, Size: l.Size, Exact: true}},
			Extra:  size,
		},
		Index: transfer.IndexImage{ID: id, Config: config, Layers: []ocispec.Descriptor{layer}},
		Blobs: []ocispec.Descriptor{config, layer},
	}
	blobs := blobs{id: io.NewSectionReader(bytes.NewReader(b), 0, size), l.DiffID: io.NewSectionReader(l, 0, l.Size)}
	return newSource([]layout.Item{item}, blobs, []*Layer{l}), nil
}

func newSource(items []layout.Item, blobs blobs, layers []*Layer) *Source {
	return &Source{layout.NewSource(blobs, items, nil), items, blobs, layers}
}

// Join returns one source of the images of several, which it closes when it is closed. Equal
// images become one with the names of all.
func Join(sources ...*Source) *Source {
	var items []layout.Item
	var layers []*Layer
	all := blobs{}
	for _, s := range sources {
		maps.Copy(all, s.blobs)
		layers = append(layers, s.layers...)
		for _, item := range s.items {
			i := slices.IndexFunc(items, func(m layout.Item) bool { return m.ID == item.ID })
			if i < 0 {
				items = append(items, item)
				continue
			}
			for _, ref := range item.Refs {
				if !slices.Contains(items[i].Refs, ref) {
					items[i].Refs = append(slices.Clip(items[i].Refs), ref)
				}
			}
		}
	}
	return newSource(items, all, layers)
}

// Close closes the layers.
func (s *Source) Close(error) error {
	var errs []error
	for _, l := range s.layers {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// blobs are those of the images.
type blobs map[digest.Digest]*io.SectionReader

func (b blobs) Size(d digest.Digest) (int64, bool) {
	r, ok := b[d]
	if !ok {
		return 0, false
	}
	return r.Size(), true
}

func (b blobs) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(b[d], 0, b[d].Size())), nil
}
