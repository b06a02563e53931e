package archive_test

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// TestCorpus loads archives that every engine and skopeo have made, by engines
// themselves and through this package: the same images under the same names. Every
// engine loads an archive of each kind, and every archive is loaded by an engine
// of each kind; other pairs of versions are left out. What differs is what the engines were seen to do: classic stores cannot
// load an archive without Docker's manifest.json; containerd stores make another
// manifest of one that has nothing else, and so another ID; Podman puts some
// names without a registry under localhost.
func TestCorpus(t *testing.T) {
	m := testImage(2, "webapp:1.0")
	corpus := map[string][]byte{}
	specs := throwawaytest.Specs(t)
	clients := map[string]*client.Client{}
	engines := map[string]*docker.Engine{}
	byName := map[string]throwaway.Spec{}
	for _, spec := range specs {
		e := throwawaytest.Start(t, spec)
		c, err := e.Client()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		clients[spec.Name], engines[spec.Name], byName[spec.Name] = c, find(t, e), spec
		if err := throwaway.Load(t.Context(), e, m); err != nil {
			t.Fatal(err)
		}
		corpus["save of "+spec.Name] = save(t, c, m.Ref)
		removeAll(t, c)
	}
	skopeoArchives(t, m, corpus)
	for _, p := range throwawaytest.Pairs(slices.Sorted(maps.Keys(corpus)), slices.Sorted(maps.Keys(byName)), throwawaytest.Family) {
		made, spec := p[0], byName[p[1]]
		t.Run(made+" into "+spec.Name, func(t *testing.T) {
			c := clients[spec.Name]
			byHand := tryLoad(t, c, corpus[made])
			want := names(t, c)
			removeAll(t, c)
			src, err := open(t, corpus[made], false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transfer.Copy(t.Context(), src, docker.NewSink(engines[spec.Name]), transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			got := names(t, c)
			defer removeAll(t, c)
			if len(got) != 1 {
				t.Fatalf("images %v", got)
			}
			for ref, id := range got {
				in, err := c.ImageInspect(t.Context(), ref)
				if err != nil || !slices.Equal(in.RootFS.Layers, m.DiffIDs()) {
					t.Errorf("%s has the layers %v, %v", ref, in.RootFS, err)
				}
				oci := made == "oci-archive of skopeo"
				if unreadable := oci && strings.HasPrefix(spec.Name, "classic"); (byHand != "") != unreadable {
					t.Errorf("by hand: %q", byHand)
				}
				other, ok := want[ref]
				if spec.Kind == throwaway.Podman && !ok {
					other, ok = want[strings.Replace(ref, "docker.io/library/", "localhost/", 1)]
				}
				indexed := oci || strings.HasPrefix(made, "save of containerd") || strings.HasPrefix(made, "save of classic") && made != "save of classic-20.10"
				if byHand == "" && (!ok || (indexed || !spec.Containerd) && other != id) {
					t.Errorf("here %v, by hand %v", got, want)
				}
			}
		})
	}
}

// skopeoArchives adds what skopeo makes of an image.
func skopeoArchives(t *testing.T, m throwaway.Image, corpus map[string][]byte) {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Log(err)
		return
	}
	dir := t.TempDir()
	from := filepath.Join(dir, "from.tar")
	var b bytes.Buffer
	if err := throwaway.WriteDockerArchive(&b, m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(from, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"docker-archive", "oci-archive"} {
		made := filepath.Join(dir, form)
		out, err := exec.CommandContext(t.Context(), "skopeo", "--insecure-policy", "copy", "docker-archive:"+from, form+":"+made+":"+m.Ref).CombinedOutput()
		if err != nil {
			t.Fatalf("skopeo: %v\n%s", err, out)
		}
		if corpus[form+" of skopeo"], err = os.ReadFile(made); err != nil {
			t.Fatal(err)
		}
	}
}

// tryLoad has an engine load an archive itself, and returns how that fails.
func tryLoad(t *testing.T, c *client.Client, b []byte) string {
	t.Helper()
	resp, err := c.ImageLoad(t.Context(), bytes.NewReader(b))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		return err.Error()
	}
	if s := text.String(); strings.Contains(s, "rror") {
		return s
	}
	return ""
}

// names returns the images that have a name.
func names(t *testing.T, c *client.Client) map[string]digest.Digest {
	t.Helper()
	list, err := c.ImageList(t.Context(), image.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]digest.Digest{}
	for _, s := range list {
		for _, ref := range s.RepoTags {
			out[ref] = digest.Digest(s.ID)
		}
	}
	return out
}

// removeAll removes all images.
func removeAll(t *testing.T, c *client.Client) {
	t.Helper()
	list, err := c.ImageList(t.Context(), image.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if _, err := c.ImageRemove(t.Context(), s.ID, image.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
}
