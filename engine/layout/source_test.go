package layout_test

import (
	"io"
	"slices"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestSourceBlobs asks which blobs an image has, those that no offer lists included.
func TestSourceBlobs(t *testing.T) {
	config, layer, attestation := describe([]byte("config")), describe([]byte("layer")), describe([]byte("attestation"))
	one := layout.Item{Image: transfer.Image{ID: config.Digest}, Blobs: []ocispec.Descriptor{config, attestation, layer}}
	two := layout.Item{Image: transfer.Image{ID: layer.Digest}, Blobs: []ocispec.Descriptor{layer}}
	s := layout.NewSource(nil, []layout.Item{one, two}, nil)
	if got, want := s.Blobs(one.ID), []digest.Digest{config.Digest, attestation.Digest, layer.Digest}; !slices.Equal(got, want) {
		t.Errorf("blobs %v, want %v", got, want)
	}
	if got, want := s.Blobs(two.ID), []digest.Digest{layer.Digest}; !slices.Equal(got, want) {
		t.Errorf("blobs %v, want %v", got, want)
	}
}

// TestSourceAgain has the images that were selected given once more.
func TestSourceAgain(t *testing.T) {
	d := describe([]byte("config"))
	s := layout.NewSource(nil, []layout.Item{{Image: transfer.Image{ID: d.Digest, Refs: []string{"a:1"}}}}, nil)
	s.Select([]transfer.Image{{ID: d.Digest, Refs: []string{"b:1"}}})
	if err := s.Settle(t.Context(), &transfer.Outcome{}); err != nil {
		t.Fatal(err)
	}
	o, err := s.Again().Next(t.Context())
	if err != nil || len(o.Images) != 1 || o.Images[0].Refs[0] != "b:1" {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := s.Next(t.Context()); err != io.EOF {
		t.Errorf("the first one ends with %v", err)
	}
}
