package layout_test

import (
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
