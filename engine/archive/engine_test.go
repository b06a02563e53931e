package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

// TestEngines has every engine save images, reads that, and has every engine
// load by hand what is written; and takes images from it into a file, a folder
// and back. Images of many layers are left to package conformance.
func TestEngines(t *testing.T) {
	for _, spec := range throwawaytest.Specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			e := throwawaytest.Start(t, spec)
			c, err := e.Client()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			one, two := testImage(12, "webapp:1.0"), testImage(2, "registry.example:5000/team/tool:2")
			one.Layers = append(one.Layers, throwaway.Layer{Size: 10, Seed: 99}, one.Layers[0])
			load := throwaway.Load
			if spec.Containerd {
				load = throwaway.LoadPulled
			}
			if err := load(t.Context(), e, one, two); err != nil {
				t.Fatal(err)
			}
			saved := save(t, c, one.Ref, two.Ref)
			got := describe(t, saved)
			slices.SortFunc(got, func(a, b transfer.Image) int { return len(b.Layers) - len(a.Layers) })
			sameImages(t, "saved", got, one, two)

			h := find(t, e)
			written := fromEngine(t, h, one.Ref, two.Ref)
			sameImages(t, "written", describe(t, written), one, two)
			remove(t, c, one.Ref, two.Ref)
			loadByHand(t, c, written)
			inspect(t, c, one, two)

			dir := t.TempDir()
			into, err := folder.NewSink(dir)
			if err != nil {
				t.Fatal(err)
			}
			src, err := open(t, saved, true)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transfer.Copy(t.Context(), src, into, transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			remove(t, c, one.Ref, two.Ref)
			out, err := folder.NewSource(t.Context(), dir, []store.Request{{Image: got[0].Refs[0], As: one.Ref}, {Image: two.Ref}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transfer.Copy(t.Context(), out, docker.NewSink(h), transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			inspect(t, c, one, two)
			remove(t, c, one.Ref, two.Ref)
			src, err = open(t, saved, false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transfer.Copy(t.Context(), src, docker.NewSink(h), transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			inspect(t, c, one, two)
		})
	}
}

func find(t *testing.T, e *throwaway.Engine) *docker.Engine {
	t.Helper()
	h, err := docker.Find(t.Context(), e.Host())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func save(t *testing.T, c *client.Client, refs ...string) []byte {
	t.Helper()
	r, err := c.ImageSave(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fromEngine(t *testing.T, h *docker.Engine, refs ...string) []byte {
	t.Helper()
	var reqs []store.Request
	for _, r := range refs {
		reqs = append(reqs, store.Request{Image: r})
	}
	src, err := docker.NewSource(t.Context(), h, reqs, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := transfer.Copy(t.Context(), src, archive.NewSink(&b, archive.SinkOptions{}), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func loadByHand(t *testing.T, c *client.Client, b []byte) {
	t.Helper()
	resp, err := c.ImageLoad(t.Context(), bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || bytes.Contains(text, []byte("rror")) {
		t.Fatalf("load: %s %v", text, err)
	}
}

func remove(t *testing.T, c *client.Client, refs ...string) {
	t.Helper()
	for _, r := range refs {
		if err := throwawayRemove(t, c, r); err != nil {
			t.Fatal(err)
		}
	}
}

func throwawayRemove(t *testing.T, c *client.Client, ref string) error {
	t.Helper()
	_, err := c.ImageRemove(t.Context(), ref, image.RemoveOptions{Force: true})
	if err != nil {
		return err
	}
	if _, err := c.ImageInspect(t.Context(), ref); err == nil {
		return errors.New(ref + " is still there")
	}
	return nil
}

func inspect(t *testing.T, c *client.Client, want ...throwaway.Image) {
	t.Helper()
	for _, m := range want {
		in, err := c.ImageInspect(t.Context(), m.Ref)
		if err != nil {
			t.Error(err)
			continue
		}
		if !slices.Equal(in.RootFS.Layers, m.DiffIDs()) {
			t.Errorf("%s has other layers than it had", m.Ref)
		}
	}
}

// sameImages is checkImages for engines that write configs anew, and with names
// in their full form.
func sameImages(t *testing.T, what string, got []transfer.Image, want ...throwaway.Image) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d images, not %d", what, len(got), len(want))
	}
	for i, w := range want {
		var ids []string
		for _, l := range got[i].Layers {
			ids = append(ids, l.DiffID.String())
		}
		if !slices.Equal(ids, w.DiffIDs()) || len(got[i].Refs) != 1 || !strings.HasSuffix(got[i].Refs[0], w.Ref) {
			t.Errorf("%s: %s came as %v with %d layers", what, w.Ref, got[i].Refs, len(ids))
		}
	}
}

// TestManyImages has engines load 300 images at once, one of them with 300 more names,
// and sends them back into an archive.
func TestManyImages(t *testing.T) {
	many := make([]throwaway.Image, 260)
	for i := range many {
		many[i] = testImage(1, fmt.Sprintf("many:%d", i))
		many[i].Env = []string{fmt.Sprint("N=", i)}
	}
	var written bytes.Buffer
	if err := throwaway.WriteDockerArchive(&written, many...); err != nil {
		t.Fatal(err)
	}
	done := map[bool]bool{}
	for _, spec := range throwawaytest.Specs(t) {
		if spec.Kind != throwaway.Docker || done[spec.Containerd] {
			continue
		}
		done[spec.Containerd] = true
		t.Run(spec.Name, func(t *testing.T) {
			h := find(t, throwawaytest.Start(t, spec))
			src, err := open(t, written.Bytes(), false)
			if err != nil {
				t.Fatal(err)
			}
			images := src.Images()
			var refs []string
			for i, m := range many {
				images[0].Refs = append(images[0].Refs, fmt.Sprintf("names:%d", i))
				refs = append(refs, m.Ref, images[0].Refs[i+1])
			}
			src.Select(images)
			rep, err := transfer.Copy(t.Context(), src, docker.NewSink(h), transfer.Options{})
			if err != nil || rep.Images != len(many) {
				t.Fatalf("%+v, %v", rep, err)
			}
			got := describe(t, fromEngine(t, h, refs...))
			i := slices.IndexFunc(got, func(m transfer.Image) bool { return len(m.Refs) > 1 })
			if len(got) != len(many) || i < 0 || len(got[i].Refs) != 261 {
				t.Errorf("%d images came back, the one with many names is number %d", len(got), i)
			}
		})
	}
}

// TestZstdEngines has engines load an image whose layers are compressed with zstd, and
// sends it back: Podman 4.3 does not save such an image.
func TestZstdEngines(t *testing.T) {
	m := testImage(2, "zstd:1.0")
	packed := rewrite(t, dockerArchive(t, m), func(h *tar.Header, b []byte) []byte {
		if strings.HasSuffix(h.Name, "layer.tar") {
			return compressed(t, "zstd", b)
		}
		return b
	})
	for _, spec := range throwawaytest.Specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			h := find(t, throwawaytest.Start(t, spec))
			src, err := open(t, packed, false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transfer.Copy(t.Context(), src, docker.NewSink(h), transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			sameImages(t, "sent back", describe(t, fromEngine(t, h, m.Ref)), m)
		})
	}
}
