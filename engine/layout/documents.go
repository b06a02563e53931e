package layout

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Limits of the metadata that is kept in memory.
const (
	MaxDocument  = transfer.MaxDocument
	MaxDocuments = 32 << 20 // all manifests and indexes of one export or archive
)

// Documents are manifests and indexes by their digest.
type Documents struct {
	byDigest map[digest.Digest]*Document
	size     int
}

// A Document is a manifest or an index; it has the fields of both. Docker's
// schema 2 media types have the same fields under the same names.
type Document struct {
	MediaType string               `json:"mediaType"`
	Config    ocispec.Descriptor   `json:"config"`
	Layers    []ocispec.Descriptor `json:"layers"`
	Manifests []ocispec.Descriptor `json:"manifests"`

	size int64
}

// NewDocuments returns no documents yet.
func NewDocuments() *Documents {
	return &Documents{byDigest: map[digest.Digest]*Document{}}
}

// Add parses b and keeps it if it is a manifest or an index. Other JSON, such as
// an SBOM, does not count towards MaxDocuments.
func (m *Documents) Add(d digest.Digest, b []byte) error {
	doc := Document{size: int64(len(b))}
	if err := json.Unmarshal(b, &doc); err != nil || doc.Config.Digest == "" && len(doc.Manifests) == 0 {
		return nil // a layer or an attestation that begins with a brace
	}
	if m.size += len(b); m.size > MaxDocuments {
		return fmt.Errorf("more than %d bytes of manifests", MaxDocuments)
	}
	m.byDigest[d] = &doc
	return nil
}

// Find returns the manifest with so many layers that root is, or that root, an
// index, lists for the platform, or for any if p does not name one; nil if there is
// none.
func (m *Documents) Find(root digest.Digest, p ocispec.Platform, layers int) *Document {
	return m.walk(root, p, layers, 4)
}

func (m *Documents) walk(d digest.Digest, p ocispec.Platform, layers, depth int) *Document {
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
		if c.Platform != nil && named(p) && !Matches(*c.Platform, p) {
			continue
		}
		if found := m.walk(c.Digest, p, layers, depth-1); found != nil {
			return found
		}
	}
	return nil
}

// Descriptor returns what describes the document d.
func (m *Documents) Descriptor(d digest.Digest) (ocispec.Descriptor, bool) {
	doc := m.byDigest[d]
	if doc == nil {
		return ocispec.Descriptor{}, false
	}
	return ocispec.Descriptor{MediaType: doc.mediaType(), Digest: d, Size: doc.size}, true
}

// mediaType returns the media type that a document has, which need not be
// written in it.
func (doc *Document) mediaType() string {
	switch {
	case doc.MediaType != "":
		return doc.MediaType
	case len(doc.Manifests) > 0:
		return ocispec.MediaTypeImageIndex
	}
	return ocispec.MediaTypeImageManifest
}

// documentTypes are the media types of manifests and indexes.
var documentTypes = []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, DockerManifest, DockerManifestList}

// configTypes are the media types of an image's config. The last four were written
// by early versions of Docker and its registry
// (github.com/docker/distribution/issues/1621).
var configTypes = []string{ocispec.MediaTypeImageConfig, DockerConfig, "", "application/octet-stream", "application/json", "text/html"}

// layerType is in the media types of all layers: of OCI and Docker, compressed in
// any way, or distributed elsewhere.
var layerType = regexp.MustCompile(`\.tar\b`)

// artifact returns the media type that shows that the manifest is not that of an
// image but of a signature, an attestation, a chart or the like; "" for an image.
func (doc *Document) artifact() string {
	if !slices.Contains(configTypes, doc.Config.MediaType) {
		return doc.Config.MediaType
	}
	other := ""
	for _, l := range doc.Layers {
		if l.MediaType == "" || layerType.MatchString(l.MediaType) {
			return ""
		}
		other = l.MediaType
	}
	return other
}
