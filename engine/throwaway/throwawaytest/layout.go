package throwawaytest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Layout is an archive of an image that package throwaway does not make, such as one
// of several platforms. What fails ends the test.
type Layout struct {
	*layout.Writer
	t   testing.TB
	out *bytes.Buffer
}

// NewLayout returns a layout of nothing.
func NewLayout(t testing.TB) *Layout {
	out := &bytes.Buffer{}
	return &Layout{layout.NewWriter(out), t, out}
}

// Put writes a blob.
func (l *Layout) Put(mediaType string, b []byte) ocispec.Descriptor {
	l.t.Helper()
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
	if err := l.Blob(d.Digest, d.Size, bytes.NewReader(b)); err != nil {
		l.t.Fatal(err)
	}
	return d
}

// Object writes a blob of JSON.
func (l *Layout) Object(mediaType string, v any) ocispec.Descriptor {
	l.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.Put(mediaType, b)
}

// Manifest writes the config and the manifest of an image of these layers, which are
// not compressed.
func (l *Layout) Manifest(p ocispec.Platform, layers ...ocispec.Descriptor) ocispec.Descriptor {
	l.t.Helper()
	config := ocispec.Image{Platform: p, RootFS: ocispec.RootFS{Type: "layers"}}
	for _, d := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, d.Digest)
	}
	doc := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: l.Object(ocispec.MediaTypeImageConfig, config), Layers: layers}
	doc.SchemaVersion = 2
	d := l.Object(ocispec.MediaTypeImageManifest, doc)
	d.Platform = &p
	return d
}

// Attestation writes an attestation of an image, as BuildKit does.
func (l *Layout) Attestation(of ocispec.Descriptor, statements ...ocispec.Descriptor) ocispec.Descriptor {
	l.t.Helper()
	d := l.Manifest(ocispec.Platform{OS: "unknown", Architecture: "unknown"}, statements...)
	d.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": of.Digest.String()}
	return d
}

// Index writes an index of manifests.
func (l *Layout) Index(manifests ...ocispec.Descriptor) ocispec.Descriptor {
	l.t.Helper()
	index := layout.NewIndex()
	index.Manifests = manifests
	return l.Object(ocispec.MediaTypeImageIndex, index)
}

// Absent describes the manifest for a platform that is listed and not there.
func Absent(p ocispec.Platform) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("absent"), Size: 6, Platform: &p}
}

// End ends the archive, in which root has the name ref, and returns it.
func (l *Layout) End(root ocispec.Descriptor, ref string) []byte {
	l.t.Helper()
	root, err := layout.Named(root, ref)
	if err != nil {
		l.t.Fatal(err)
	}
	top := layout.NewIndex()
	top.Manifests = []ocispec.Descriptor{root}
	if err := l.Writer.End(top, nil); err != nil {
		l.t.Fatal(err)
	}
	return l.Bytes()
}

// Bytes returns what has been written.
func (l *Layout) Bytes() []byte { return l.out.Bytes() }
