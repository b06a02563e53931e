package folder_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// TestSkopeo has skopeo read what is written here, by name, and the other way
// round.
func TestSkopeo(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip(err)
	}
	for name, write := range map[string]func(*bytes.Buffer, ...throwaway.Image) error{"classic": classic, "pulled": pulled} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			layoutDir, file := filepath.Join(dir, "store"), filepath.Join(dir, "f.tar")
			m, other := image("webapp:1.0", 1, 2), image("other:2", 3)
			if _, err := transfer.Copy(t.Context(), source(t, write, m, other), sink(t, layoutDir), transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			dst, err := archive.Create(t.Context(), file, archive.FileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transfer.Copy(t.Context(), source(t, write, m), dst, transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			for i, from := range []string{"oci:" + layoutDir + ":webapp:1.0", "oci-archive:" + file, "oci-archive:" + file + ":webapp:1.0", "docker-archive:" + file, "docker-archive:" + file + ":webapp:1.0"} {
				copied := filepath.Join(dir, "copied"+string(rune('0'+i)))
				skopeo(t, from, "oci:"+copied+":webapp:1.0")
				src, err := folder.NewSource(t.Context(), copied, []store.Request{{Image: "webapp:1.0"}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				sameLayers(t, from, src.Images(), m)
			}
			for i, form := range []string{"oci-archive:", "docker-archive:"} {
				made := filepath.Join(dir, "made"+string(rune('0'+i)))
				skopeo(t, "oci:"+layoutDir+":webapp:1.0", form+made+":webapp:1.0")
				f, err := os.Open(made)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				src, err := archive.Open(t.Context(), f, archive.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer src.Close(nil)
				sameLayers(t, form, src.Images(), m)
			}
		})
	}
}

func skopeo(t *testing.T, from, to string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "skopeo", "--insecure-policy", "copy", from, to).CombinedOutput()
	if err != nil {
		t.Fatalf("skopeo copy %s %s: %v\n%s", from, to, err, out)
	}
}

func sameLayers(t *testing.T, what string, got []transfer.Image, m throwaway.Image) {
	t.Helper()
	if len(got) != 1 || len(got[0].Layers) != len(m.Layers) || len(got[0].Refs) != 1 || got[0].Refs[0] != m.Ref {
		t.Errorf("%s: images %v", what, got)
		return
	}
	for i, id := range m.DiffIDs() {
		if got[0].Layers[i].DiffID.String() != id {
			t.Errorf("%s: layer %d is another", what, i+1)
		}
	}
}
