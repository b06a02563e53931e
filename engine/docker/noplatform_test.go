package docker_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/opencontainers/go-digest"
)

// TestNoPlatform sends images whose configs name no architecture, or no OS either,
// from every kind of store to every other.
func TestNoPlatform(t *testing.T) {
	fewPairs(t, func(t *testing.T, from, to throwaway.Spec) {
		a, b := pool.Get(t, from, "sender"), pool.Get(t, to, "receiver")
		for i, platform := range []string{``, `"architecture":"amd64",`, `"os":"linux",`} {
			m, _ := versions(fmt.Sprint("noplatform", i, from.Name, to.Name))
			m.Layers = m.Layers[2:]
			loadWithoutPlatform(t, a, m, platform)
			_, arrivals := copyImages(t, a, b, m.Ref)
			if len(arrivals) != 1 || id(t, b, m.Ref) != arrivals[0].New {
				t.Errorf("%q: reported %v", platform, arrivals)
			}
		}
	})
}

// loadWithoutPlatform loads an image whose config has just these fields of a
// platform.
func loadWithoutPlatform(t *testing.T, e *throwaway.Engine, m throwaway.Image, platform string) {
	t.Helper()
	var layer, out bytes.Buffer
	if err := m.Layers[0].WriteTar(&layer); err != nil {
		t.Fatal(err)
	}
	config := fmt.Appendf(nil, `{%s"rootfs":{"type":"layers","diff_ids":[%q]},"config":{}}`, platform, digest.FromBytes(layer.Bytes()))
	list, err := json.Marshal([]layout.DockerImage{{Config: "config.json", RepoTags: []string{m.Ref}, Layers: []string{"layer.tar"}}})
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(&out)
	for name, b := range map[string][]byte{"layer.tar": layer.Bytes(), "config.json": config, layout.DockerManifestFile: list} {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(b)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	loadBytes(t, e, out.Bytes())
}
