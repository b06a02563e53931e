package docker_test

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// large returns an image of four layers, the lower three of which are large enough for
// loads of their own.
func large(name string) throwaway.Image {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	m := throwaway.Image{Ref: "large" + name + ":1.0", Cmd: []string{"/app"}}
	for i := range uint64(3) {
		m.Layers = append(m.Layers, throwaway.Layer{Size: 40 << 20, Seed: h.Sum64() + i, Kind: throwaway.Random})
	}
	m.Layers = append(m.Layers, throwaway.Layer{Size: 2500, Seed: h.Sum64() + 3})
	return m
}

// prefixes returns the prefixes that an engine has.
func prefixes(t *testing.T, e *throwaway.Engine) []image.Summary {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.ImageList(t.Context(), image.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "imgsend.prefix"))})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// stopping is a sink that fails when so many large blobs have gone by.
type stopping struct {
	transfer.Sink
	left int
}

var errStopped = errors.New("stopped by the test")

func (s *stopping) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if d.Size > 1<<20 {
		if s.left == 0 {
			return errStopped
		}
		s.left--
	}
	return s.Sink.Put(ctx, d, r)
}

// ordered returns an engine that gives layers bottom first.
func ordered(t *testing.T) *throwaway.Engine {
	all := specs(t)
	i := slices.IndexFunc(all, func(s throwaway.Spec) bool { return s.Containerd })
	if i < 0 {
		t.Skip("no engine here gives layers bottom first")
	}
	return pool.get(t, all[i], "sender")
}

// TestPrefixes has a transfer fail after two of three large layers. They stay, the next
// try sends the rest, and nothing else is left then.
func TestPrefixes(t *testing.T) {
	for _, spec := range specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			to := start(t, spec)
			defer func() { _ = to.Stop() }()
			from := ordered(t)
			m := large("kept")
			load(t, from, m)
			e := open(t, to)
			src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.Ref}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			sink := docker.NewSink(e)
			_, err = transfer.Copy(t.Context(), src, &stopping{sink, 2}, transfer.Options{})
			if !errors.Is(err, errStopped) {
				t.Fatalf("it ended with %v", err)
			}
			kept := sink.Kept()
			if kept.Layers != 2 || kept.Of != 4 || kept.Bytes < 80<<20 || kept.Bytes > 81<<20 {
				t.Errorf("kept: %v", kept)
			}
			if list := prefixes(t, to); len(list) != 1 {
				t.Errorf("it has the prefixes %v", list)
			}
			rep, arrivals := copyImages(t, from, to, m.Ref)
			check(t, to, m, arrivals)
			if rep.Bytes > 41<<20 {
				t.Errorf("the next try sent %d bytes", rep.Bytes)
			}
			leftovers(t, from, to)
			for _, img := range prefixes(t, to) {
				if len(img.RepoTags) == 0 || img.RepoTags[0] != m.Ref {
					t.Errorf("it still has the prefix %s", img.ID)
				}
			}
		})
	}
}

// TestHold removes the base of an image while the image is on its way: a prefix holds
// the layers.
func TestHold(t *testing.T) {
	for _, spec := range specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			to := start(t, spec)
			defer func() { _ = to.Stop() }()
			from := ordered(t)
			base := large("kept")
			m := base
			m.Ref = "largekept:2.0"
			m.Layers = append(slices.Clone(base.Layers), throwaway.Layer{Size: 40 << 20, Seed: 9, Kind: throwaway.Random}, throwaway.Layer{Size: 3000, Seed: 10})
			load(t, from, base, m)
			copyImages(t, from, to, base.Ref)

			c, err := to.Client()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.Ref}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			sink := &hooked{Sink: docker.NewSink(open(t, to)), planned: func() {
				if _, err := c.ImageRemove(t.Context(), base.Ref, image.RemoveOptions{PruneChildren: true}); err != nil {
					t.Error(err)
				}
			}}
			var arrivals []transfer.Arrival
			rep, err := transfertest.Copy(t, src, sink, transfer.Options{
				OnArrival: func(_ *transfer.Image, a transfer.Arrival, _ bool) { arrivals = append(arrivals, a) },
				OnRetry:   func(reason string) { t.Errorf("retry: %s", reason) },
			})
			if err != nil {
				t.Fatal(err)
			}
			check(t, to, m, arrivals)
			if rep.Bytes > 41<<20 {
				t.Errorf("sent %d bytes", rep.Bytes)
			}
			leftovers(t, to)
		})
	}
}
