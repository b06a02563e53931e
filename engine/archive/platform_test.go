package archive_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// platforms returns an archive of an image for amd64 and arm64, with an
// attestation, that lists s390x too but does not have it. nest puts so many
// indexes around it.
func platforms(t testing.TB, nest int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := layout.NewWriter(&out)
	put := func(media string, b []byte) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(b), Size: int64(len(b))}
		if err := w.Blob(d.Digest, d.Size, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	object := func(media string, v any) ocispec.Descriptor {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return put(media, b)
	}
	index := layout.NewIndex()
	for _, arch := range []string{"amd64", "arm64", "unknown"} {
		platform := ocispec.Platform{OS: "linux", Architecture: arch}
		layer := put(ocispec.MediaTypeImageLayer, []byte("layer for "+arch))
		config := ocispec.Image{Platform: platform, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}}}
		if arch == "unknown" {
			config.OS, platform.OS = arch, arch
		}
		m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: object(ocispec.MediaTypeImageConfig, config), Layers: []ocispec.Descriptor{layer}}
		m.SchemaVersion = 2
		d := object(ocispec.MediaTypeImageManifest, m)
		d.Platform = &platform
		if arch == "unknown" {
			d.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
		}
		index.Manifests = append(index.Manifests, d)
	}
	index.Manifests = append(index.Manifests, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("absent"), Size: 6,
		Platform: &ocispec.Platform{OS: "linux", Architecture: "s390x"}})
	root := object(ocispec.MediaTypeImageIndex, index)
	for range nest {
		around := layout.NewIndex()
		around.Manifests = []ocispec.Descriptor{root}
		root = object(ocispec.MediaTypeImageIndex, around)
	}
	root, err := layout.Named(root, "webapp:1.0")
	if err != nil {
		t.Fatal(err)
	}
	top := layout.NewIndex()
	top.Manifests = []ocispec.Descriptor{root}
	if err := w.End(top, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPlatforms(t *testing.T) {
	for nest := range 3 {
		b := platforms(t, nest)
		src, err := open(t, b, true)
		if err != nil {
			t.Fatal(err)
		}
		if notes := src.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "lists linux/s390x") {
			t.Errorf("notes %q", notes)
		}
		whole := src.Images()[0]
		var out bytes.Buffer
		if _, err := transfer.Copy(t.Context(), src, archive.NewSink(&out, archive.SinkOptions{}), transfer.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"layer for amd64", "layer for arm64", "layer for unknown"} {
			if !bytes.Contains(out.Bytes(), []byte(part)) {
				t.Errorf("%q did not travel", part)
			}
		}
		if got := describe(t, out.Bytes()); len(got) != 1 || got[0].Root != whole.Root || got[0].Refs[0] != "webapp:1.0" {
			t.Errorf("came as %v", got)
		}
		one, err := archive.Open(t.Context(), bytes.NewReader(b), archive.Options{Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}})
		if err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if got := one.Images()[0]; got.Platform.Architecture != "arm64" || got.Root == whole.Root {
			t.Errorf("picked %+v", got)
		}
		if _, err := transfer.Copy(t.Context(), one, archive.NewSink(&out, archive.SinkOptions{}), transfer.Options{}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(out.Bytes(), []byte("layer for arm64")) || bytes.Contains(out.Bytes(), []byte("layer for amd64")) {
			t.Error("more or less than one platform travelled")
		}
	}
	_, err := archive.Open(t.Context(), bytes.NewReader(platforms(t, 0)), archive.Options{Platform: &ocispec.Platform{OS: "linux", Architecture: "s390x"}})
	if transfer.KindOf(err) != transfer.KindUsage {
		t.Errorf("a platform that is not here: %v", err)
	}
	if _, err := open(t, platforms(t, 5), true); transfer.KindOf(err) != transfer.KindBroken || !strings.Contains(err.Error(), "nested more than") {
		t.Errorf("nested too deep: %v", err)
	}
}
