package archive_test

import (
	"archive/tar"
	"encoding/json"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestArtifactBesideImage loads the image of an archive and says what it leaves out.
func TestArtifactBesideImage(t *testing.T) {
	manifest := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"sha256:` +
		strings.Repeat("a", 64) + `","size":2},"layers":[]}`)
	chart := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest)),
		Annotations: map[string]string{ocispec.AnnotationRefName: "team/chart:1"}}
	m := testImage(2, "webapp:1.0")
	for _, alone := range []bool{false, true} {
		b := rewrite(t, oci(t, m), func(h *tar.Header, b []byte) []byte {
			switch h.Name {
			case ocispec.ImageIndexFile:
				var index ocispec.Index
				if err := json.Unmarshal(b, &index); err != nil {
					t.Fatal(err)
				}
				index.Manifests = append(index.Manifests, chart)
				if alone {
					index.Manifests = index.Manifests[1:]
				}
				b, _ = json.Marshal(index)
			case "oci-layout":
				h.Name, b = layout.BlobPath(chart.Digest), manifest
			}
			return b
		})
		src, err := open(t, b, true)
		if alone {
			if transfer.KindOf(err) == transfer.KindOther || !strings.Contains(err.Error(), "team/chart:1 is left out: not an image that can run but application/vnd.cncf.helm.config.v1+json") {
				t.Errorf("an archive of a chart: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if notes := src.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], "team/chart:1 is left out") {
			t.Errorf("notes %q", notes)
		}
		checkImages(t, src.Images(), m)
	}
}
