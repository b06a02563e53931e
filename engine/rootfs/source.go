package rootfs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

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
	transfer.Queue
	layer  *Layer
	config []byte
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
	s := &Source{layer: l, config: b}
	id := digest.FromBytes(b)
	s.Fill([]transfer.Image{{
		ID: id, Config: id, Refs: refs, Platform: c.Platform,
		Layers: []transfer.Layer{{DiffID: l.DiffID, Digest: l.DiffID, Size: l.Size, Exact: true}},
		Extra:  int64(len(b)),
	}})
	return s, nil
}

// Export puts the config and, unless the sink has it, the layer into w.
func (s *Source) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	x := &transfer.Index{}
	if o.DryRun || p.Images[0].Status != transfer.Take {
		return x, nil
	}
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(s.config), Size: int64(len(s.config))}
	layer := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: s.layer.DiffID, Size: s.layer.Size}
	if !p.Images[0].Have[0] {
		if err := w.Put(ctx, layer, io.NewSectionReader(s.layer, 0, s.layer.Size)); err != nil {
			return nil, err
		}
	}
	if err := w.Put(ctx, config, bytes.NewReader(s.config)); err != nil {
		return nil, err
	}
	x.Images = []transfer.IndexImage{{ID: o.Images[0].ID, Config: config, Layers: []ocispec.Descriptor{layer}}}
	return x, nil
}

// Close closes the layer.
func (s *Source) Close(error) error { return s.layer.Close() }
