package engine

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Limits of the metadata that is kept in memory. Registries limit a manifest
// to 4 MiB (OCI distribution specification, "Pushing Manifests").
const (
	maxManifest  = 4 << 20
	maxManifests = 32 << 20 // of all manifests of one export
)

// manifests are manifests and indexes by their digest.
type manifests struct {
	byDigest map[digest.Digest]*manifestOrIndex
	size     int
}

// manifestOrIndex has the fields of both. Docker's schema 2 media types have
// the same fields under the same names.
type manifestOrIndex struct {
	MediaType string               `json:"mediaType"`
	Config    ocispec.Descriptor   `json:"config"`
	Layers    []ocispec.Descriptor `json:"layers"`
	Manifests []ocispec.Descriptor `json:"manifests"`

	size int64
}

func newManifests() *manifests {
	return &manifests{byDigest: map[digest.Digest]*manifestOrIndex{}}
}

// add parses and keeps b if it looks like a manifest or an index.
func (m *manifests) add(d digest.Digest, b []byte) error {
	if m.size += len(b); m.size > maxManifests {
		return fmt.Errorf("more than %d bytes of manifests", maxManifests)
	}
	doc := manifestOrIndex{size: int64(len(b))}
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("manifest %s: %w", d, err)
	}
	if doc.Config.Digest == "" && len(doc.Manifests) == 0 {
		return nil
	}
	m.byDigest[d] = &doc
	return nil
}

// find returns the manifest with so many layers that root is, or that root, an
// index, lists for the platform; nil if there is none.
func (m *manifests) find(root digest.Digest, p ocispec.Platform, layers int) *manifestOrIndex {
	return m.walk(root, p, layers, 4)
}

func (m *manifests) walk(d digest.Digest, p ocispec.Platform, layers, depth int) *manifestOrIndex {
	doc := m.byDigest[d]
	if doc == nil || depth == 0 {
		return nil
	}
	if len(doc.Manifests) == 0 {
		if len(doc.Layers) != layers {
			return nil
		}
		return doc
	}
	for _, c := range doc.Manifests {
		if c.Platform != nil && (c.Platform.OS != p.OS || c.Platform.Architecture != p.Architecture || c.Platform.Variant != p.Variant) {
			continue
		}
		if found := m.walk(c.Digest, p, layers, depth-1); found != nil {
			return found
		}
	}
	return nil
}

// descriptor returns what describes the document d.
func (m *manifests) descriptor(d digest.Digest) (ocispec.Descriptor, bool) {
	doc := m.byDigest[d]
	if doc == nil {
		return ocispec.Descriptor{}, false
	}
	media := doc.MediaType
	if media == "" {
		media = ocispec.MediaTypeImageManifest
		if len(doc.Manifests) > 0 {
			media = ocispec.MediaTypeImageIndex
		}
	}
	return ocispec.Descriptor{MediaType: media, Digest: d, Size: doc.size}, true
}
