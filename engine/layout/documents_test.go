package layout

import (
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// FuzzDocuments reads what others say a manifest is.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":"sha256:0"},"layers":[{"digest":"sha256:1"}]}`))
	f.Add([]byte(`{"manifests":[{"digest":"sha256:0","platform":{"os":"linux","architecture":"amd64"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := NewDocuments()
		d := digest.FromBytes(b)
		if err := m.Add(d, b); err != nil {
			return
		}
		if doc := m.Find(d, ocispec.Platform{OS: "linux", Architecture: "amd64"}, 1); doc != nil && len(doc.Layers) != 1 {
			t.Errorf("found a manifest of %d layers", len(doc.Layers))
		}
		m.Descriptor(d)
	})
}

// Attestations are JSON too, and large. They must not use up the room for
// manifests.
func TestDocumentsIgnoreOtherJSON(t *testing.T) {
	m := NewDocuments()
	sbom := []byte(`{"predicate":"` + strings.Repeat("x", MaxDocument) + `"}`)
	for i := range 2 * MaxDocuments / len(sbom) {
		if err := m.Add(digest.FromString(strconv.Itoa(i)), sbom); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Add(digest.FromString("a layer"), []byte("{not JSON")); err != nil {
		t.Error(err)
	}
	manifest := []byte(`{"config":{"digest":"sha256:0"}}`)
	if err := m.Add(digest.FromBytes(manifest), manifest); err != nil {
		t.Error(err)
	}
	if _, ok := m.Descriptor(digest.FromBytes(manifest)); !ok {
		t.Error("the manifest was not kept")
	}
}
