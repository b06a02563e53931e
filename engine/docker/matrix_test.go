package docker_test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// TestMatrix sends images from every engine to every kind of store, and to every
// engine from every kind: cold, once more, and with one layer more. It leaves out
// other pairs of versions.
func TestMatrix(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to throwaway.Spec) {
		testPair(t, pool.Get(t, from, "sender"), pool.Get(t, to, "receiver"))
	})
}

func testPair(t *testing.T, from, to *throwaway.Engine) {
	v1, v2 := versions(from.Spec().Name + to.Spec().Name)
	load(t, from, v1, v2)

	cold, arrivals := copyImages(t, from, to, v1.Ref)
	check(t, to, v1, arrivals)
	if cold.Skipped != 0 {
		t.Errorf("cold: skipped %d bytes", cold.Skipped)
	}
	again, arrivals := copyImages(t, from, to, v1.Ref)
	check(t, to, v1, arrivals)
	if again.Bytes != 0 {
		t.Errorf("nothing new: sent %d bytes", again.Bytes)
	}
	next, arrivals := copyImages(t, from, to, v2.Ref)
	check(t, to, v2, arrivals)
	limit := v2.Layers[len(v2.Layers)-1].TarSize() + 16<<10
	if next.Bytes > limit {
		t.Errorf("one new layer: sent %d bytes, over %d", next.Bytes, limit)
	}
	// What arrived is complete: it can be exported again.
	src, err := docker.NewSource(t.Context(), open(t, to), []store.Request{{Image: v1.Ref}, {Image: v2.Ref}}, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Copy(t.Context(), src, &discard{}, transfer.Options{}); err != nil {
		t.Errorf("export of what arrived: %v", err)
	}
	leftovers(t, from, to)
}

// versions returns two versions of an image that no other test has.
func versions(name string) (v1, v2 throwaway.Image) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	seed := h.Sum64()
	repo := fmt.Sprintf("app%x", seed)
	base := []throwaway.Layer{
		{Size: 3 << 20, Seed: seed, Kind: throwaway.Text, Files: 20},
		{Size: 1 << 20, Seed: seed + 1, Kind: throwaway.Text, Files: 3},
	}
	v1 = throwaway.Image{Ref: repo + ":1.0", Layers: append(slices.Clone(base), throwaway.Layer{Size: 2500, Seed: seed + 2}), Cmd: []string{"/app"}}
	v2 = throwaway.Image{Ref: repo + ":2.0", Layers: append(slices.Clone(v1.Layers), throwaway.Layer{Size: 500_000, Seed: seed + 3, Kind: throwaway.Text}), Cmd: []string{"/app", "two"}}
	return v1, v2
}

// copyImages copies by name over a stream, as the two programs do.
func copyImages(t *testing.T, from, to *throwaway.Engine, names ...string) (*transfer.Report, []transfer.Arrival) {
	t.Helper()
	var reqs []store.Request
	for _, n := range names {
		reqs = append(reqs, store.Request{Image: n})
	}
	rep, arrivals, err := tryCopy(t, from, to, reqs...)
	if err != nil {
		t.Fatal(err)
	}
	return rep, arrivals
}

func tryCopy(t *testing.T, from, to *throwaway.Engine, reqs ...store.Request) (*transfer.Report, []transfer.Arrival, error) {
	t.Helper()
	src, err := docker.NewSource(t.Context(), open(t, from), reqs, store.SourceOptions{})
	if err != nil {
		return nil, nil, err
	}
	var arrivals []transfer.Arrival
	rep, err := transfertest.Copy(t, src, docker.NewSink(open(t, to)), transfer.Options{
		OnArrival: func(_ *transfer.Image, a transfer.Arrival, _ bool) { arrivals = append(arrivals, a) },
	})
	return rep, arrivals, err
}

// check checks that the engine has the image under its name, as it was made.
func check(t *testing.T, e *throwaway.Engine, want throwaway.Image, arrivals []transfer.Arrival) {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in, err := c.ImageInspect(t.Context(), want.Ref)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(in.RootFS.Layers, want.DiffIDs()) {
		t.Errorf("%s has the layers %v, not %v", want.Ref, in.RootFS.Layers, want.DiffIDs())
	}
	if !e.Spec().Containerd && in.ID != want.ID() {
		t.Errorf("%s has the ID %s, not %s", want.Ref, in.ID, want.ID())
	}
	if !slices.Equal(in.Config.Cmd, want.Cmd) {
		t.Errorf("%s has the command %v, not %v", want.Ref, in.Config.Cmd, want.Cmd)
	}
	if len(arrivals) != 1 || arrivals[0].New.String() != in.ID {
		t.Errorf("reported %v, the engine has %s", arrivals, in.ID)
	}
}

// leftovers fails the test if an engine has an image or name that a transfer
// should have removed.
func leftovers(t *testing.T, engines ...*throwaway.Engine) {
	t.Helper()
	for _, e := range engines {
		c, err := e.Client()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		list, err := c.ImageList(t.Context(), image.ListOptions{All: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			if len(i.RepoTags) == 0 {
				t.Errorf("%s has an untagged image %s", e.Spec().Name, i.ID)
			}
			for _, tag := range i.RepoTags {
				if strings.Contains(tag, "imgsend-") || strings.Contains(tag, "<none>") {
					t.Errorf("%s has a leftover %s", e.Spec().Name, tag)
				}
			}
		}
	}
}
