package archive_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// platforms returns an archive of an image for amd64 and arm64, with an
// attestation, that lists s390x too but does not have it. nest puts so many
// indexes around it.
func platforms(t testing.TB, nest int) []byte {
	t.Helper()
	w := throwawaytest.NewLayout(t)
	var list []ocispec.Descriptor
	for _, arch := range []string{"amd64", "arm64"} {
		list = append(list, w.Manifest(ocispec.Platform{OS: "linux", Architecture: arch}, w.Put(ocispec.MediaTypeImageLayer, []byte("layer for "+arch))))
	}
	list = append(list, w.Attestation(list[0], w.Put(ocispec.MediaTypeImageLayer, []byte("layer for unknown"))),
		throwawaytest.Absent(ocispec.Platform{OS: "linux", Architecture: "s390x"}))
	root := w.Index(list...)
	for range nest {
		root = w.Index(root)
	}
	return w.End(root, "webapp:1.0")
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

// TestPlatformsSideBySide reads an index.json that lists the manifests of one name's
// platforms itself, instead of an index: one is picked.
func TestPlatformsSideBySide(t *testing.T) {
	amd, arm := testImage(1, "webapp:1.0"), testImage(2, "webapp:1.0")
	amd.Arch, arm.Arch = "amd64", "arm64"
	for form, b := range map[string][]byte{"docker": dockerArchive(t, amd, arm), "oci": oci(t, amd, arm)} {
		_, err := open(t, b, true)
		var e *transfer.Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint, "--platform picks one: linux/amd64 or linux/arm64") {
			t.Errorf("%s: %v", form, err)
		}
		for _, m := range []throwaway.Image{amd, arm} {
			src, err := archive.Open(t.Context(), bytes.NewReader(b), archive.Options{Platform: &ocispec.Platform{OS: "linux", Architecture: m.Arch}})
			if err != nil {
				t.Fatalf("%s, %s: %v", form, m.Arch, err)
			}
			checkImages(t, src.Images(), m)
		}
		if _, err := archive.Open(t.Context(), bytes.NewReader(b), archive.Options{Platform: &ocispec.Platform{OS: "linux", Architecture: "s390x"}}); transfer.KindOf(err) != transfer.KindUsage {
			t.Errorf("%s, a platform that is not there: %v", form, err)
		}
	}
}
