package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestListedArtifact requests a chart and an image by a pattern: the chart is left out,
// with a note. Requested by its own name, or alone, it is an error.
func TestListedArtifact(t *testing.T) {
	chart := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"sha256:` +
		strings.Repeat("a", 64) + `","size":2},"layers":[]}`)
	root := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(chart), Size: int64(len(chart))}
	into := &memory{blobs: map[digest.Digest][]byte{root.Digest: chart}}
	if _, err := transfer.Copy(t.Context(), newBare(t, image("team/webapp:1", 1)), catalog.NewSink(into), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	list := append(slices.Clone(into.list), catalog.Entry{Name: "team/chart:1", Root: root})
	both := []store.Request{{Image: "team/webapp:1", Listed: true}, {Image: "team/chart:1", Listed: true}}
	src, err := catalog.NewSource(t.Context(), into, list, "memory", both, nil)
	if err != nil {
		t.Fatal(err)
	}
	if images := src.Images(); len(images) != 1 || images[0].Name() != "team/webapp:1" {
		t.Errorf("the images are %v", images)
	}
	if notes := src.Notes(); len(notes) != 1 || notes[0] != "team/chart:1 is left out: it is not an image that can run" {
		t.Errorf("notes %q", notes)
	}
	both[1].Listed = false
	for _, reqs := range [][]store.Request{both, {{Image: "team/chart:1", Listed: true}}} {
		if _, err := catalog.NewSource(t.Context(), into, list, "memory", reqs, nil); err == nil || !strings.Contains(err.Error(), "image that can run") {
			t.Errorf("%+v: %v", reqs, err)
		}
	}
}
