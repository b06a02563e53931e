package rootfs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

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

// A Source gives one image of one layer.
type Source struct {
	*layout.Source
	layer *Layer
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
	return &Source{layout.NewSource(blobs, []layout.Item{item}, nil), l}, nil
}

// Close closes the layer.
func (s *Source) Close(error) error { return s.layer.Close() }

// blobs are those of one image.
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
