package docker_test

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/opencontainers/go-digest"
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
	return pool.Get(t, all[i], "sender")
}

// newest returns the newest engine of each kind of store.
func newest(t *testing.T) []throwaway.Spec {
	of := map[string]throwaway.Spec{}
	for _, s := range specs(t) {
		if f := throwawaytest.Family(s.Name); of[f].Name < s.Name {
			of[f] = s
		}
	}
	return slices.Collect(maps.Values(of))
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
			if removed, err := e.Clean(t.Context()); err != nil || len(removed) > 0 {
				t.Errorf("what a living process keeps was removed: %v, %v", removed, err)
			}
			rep, arrivals := copyImages(t, from, to, m.Ref)
			check(t, to, m, arrivals)
			if rep.Bytes > 41<<20 {
				t.Errorf("the next try sent %d bytes", rep.Bytes)
			}
			leftovers(t, from, to)
			if list := prefixes(t, to); len(list) > 0 {
				t.Errorf("it still has the prefixes %v", list)
			}
		})
	}
}

// TestHold removes the base of an image while the image is on its way: a prefix holds
// the layers.
func TestHold(t *testing.T) {
	for _, spec := range newest(t) {
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

// TestSharedLayers sends two images at once that share their base, and a third one that
// has a layer of theirs on another base.
func TestSharedLayers(t *testing.T) {
	for _, spec := range newest(t) {
		t.Run(spec.Name, func(t *testing.T) {
			to := start(t, spec)
			defer func() { _ = to.Stop() }()
			from := ordered(t)
			layer := func(seed uint64) throwaway.Layer {
				return throwaway.Layer{Size: 36 << 20, Seed: 77 + seed, Kind: throwaway.Random}
			}
			images := []throwaway.Image{
				{Ref: "shared:1", Layers: []throwaway.Layer{layer(1), layer(2)}, Cmd: []string{"/1"}},
				{Ref: "shared:2", Layers: []throwaway.Layer{layer(1), layer(2), layer(3)}, Cmd: []string{"/2"}},
				{Ref: "shared:3", Layers: []throwaway.Layer{layer(3), layer(2), {Size: 100}}, Cmd: []string{"/3"}},
			}
			load(t, from, images...)
			rep, arrivals := copyImages(t, from, to, "shared:1", "shared:2", "shared:3")
			if rep.Images != 3 || rep.Bytes > 3*36<<20+1<<20 {
				t.Errorf("%d images, sent %d bytes", rep.Images, rep.Bytes)
			}
			for i, m := range images {
				check(t, to, m, arrivals[i:i+1])
			}
			leftovers(t, to)
		})
	}
}

// pausing is a sink that stops before its third large blob, when the engine has loaded
// the first two.
type pausing struct {
	*docker.Sink
	large          int
	loaded         chan digest.Digest
	paused, resume chan struct{}
}

func (s *pausing) ReportTo(report func(digest.Digest, float64)) {
	s.Sink.ReportTo(func(layer digest.Digest, part float64) {
		report(layer, part)
		if part == 1 {
			s.loaded <- layer
		}
	})
}

func (s *pausing) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if d.Size > 1<<20 {
		if s.large++; s.large == 3 {
			<-s.loaded
			<-s.loaded
			close(s.paused)
			<-s.resume
		}
	}
	return s.Sink.Put(ctx, d, r)
}

// TestPrefixesOfAnother has a transfer arrive while another one of the same image is on
// its way: what that one has loaded stays, and is removed when it has arrived, too.
func TestPrefixesOfAnother(t *testing.T) {
	for _, spec := range newest(t) {
		t.Run(spec.Name, func(t *testing.T) {
			to := start(t, spec)
			defer func() { _ = to.Stop() }()
			from := ordered(t)
			m := large("another")
			load(t, from, m)
			src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.Ref}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			sink := &pausing{Sink: docker.NewSink(open(t, to)), loaded: make(chan digest.Digest, 10), paused: make(chan struct{}), resume: make(chan struct{})}
			ended := make(chan error, 1)
			go func() {
				_, err := transfer.Copy(t.Context(), src, sink, transfer.Options{})
				ended <- err
			}()
			select {
			case <-sink.paused:
			case err := <-ended:
				t.Fatal(err)
			}
			before := len(prefixes(t, to))
			_, arrivals := copyImages(t, from, to, m.Ref)
			check(t, to, m, arrivals)
			if after := len(prefixes(t, to)); before == 0 || after < before {
				t.Errorf("%d prefixes are there, and then %d", before, after)
			}
			close(sink.resume)
			if err := <-ended; err != nil {
				t.Error(err)
			}
			leftovers(t, from, to)
			if list := prefixes(t, to); len(list) > 0 {
				t.Errorf("it still has the prefixes %v", list)
			}
		})
	}
}
