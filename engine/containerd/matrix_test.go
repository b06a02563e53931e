package containerd_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

// An end is another place for images.
type end struct {
	name   string
	load   func(t *testing.T, imgs ...throwaway.Image)
	source func(t *testing.T, ref string) transfer.Source
	sink   func(t *testing.T) transfer.Sink
	// kept says that an image with a manifest keeps it there.
	kept bool
}

// others returns the ends that are no containerd: the newest engine of each kind, a
// folder and an archive.
func others(t *testing.T) []end {
	t.Helper()
	var out []end
	newest := map[string]throwaway.Spec{}
	for _, s := range throwawaytest.Specs(t) {
		newest[throwawaytest.Family(s.Name)] = s
	}
	for _, s := range newest {
		out = append(out, dockerEnd(pool.Get(t, s, "other")))
	}
	return append(out, dir(t), file(t))
}

func dockerEnd(e *throwaway.Engine) end {
	find := func(t *testing.T) *docker.Engine {
		t.Helper()
		c, err := docker.Find(t.Context(), e.Host())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	return end{name: e.Spec().Name, kept: e.Spec().Containerd,
		load: func(t *testing.T, imgs ...throwaway.Image) {
			t.Helper()
			load := throwaway.Load
			if e.Spec().Containerd {
				load = throwaway.LoadPulled
			}
			if err := load(t.Context(), e, imgs...); err != nil {
				t.Fatal(err)
			}
		},
		source: func(t *testing.T, ref string) transfer.Source {
			t.Helper()
			src, err := docker.NewSource(t.Context(), find(t), []store.Request{{Image: ref}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return src
		},
		sink: func(t *testing.T) transfer.Sink { return docker.NewSink(find(t)) },
	}
}

func dir(t *testing.T) end {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	into := func(t *testing.T) transfer.Sink {
		t.Helper()
		dst, err := folder.NewSink(path)
		if err != nil {
			t.Fatal(err)
		}
		return dst
	}
	return end{name: "folder", kept: true, load: loader(into),
		source: func(t *testing.T, ref string) transfer.Source {
			t.Helper()
			src, err := folder.NewSource(t.Context(), path, []store.Request{{Image: ref}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			return src
		},
		sink: into,
	}
}

func file(t *testing.T) end {
	t.Helper()
	path := filepath.Join(t.TempDir(), "images.tar")
	into := func(t *testing.T) transfer.Sink {
		t.Helper()
		dst, err := archive.Create(t.Context(), path, archive.FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return dst
	}
	return end{name: "archive", kept: true, load: loader(into),
		source: func(t *testing.T, ref string) transfer.Source {
			t.Helper()
			src := openArchive(t, path)
			for _, m := range src.Images() {
				if m.Name() == ref {
					src.Select([]transfer.Image{m})
				}
			}
			return src
		},
		sink: into,
	}
}

func openArchive(t *testing.T, path string) *archive.Source {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	src, err := archive.Open(t.Context(), f, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// loader fills a folder or an archive out of one that package throwaway writes.
func loader(into func(t *testing.T) transfer.Sink) func(t *testing.T, imgs ...throwaway.Image) {
	return func(t *testing.T, imgs ...throwaway.Image) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "made.tar")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := throwaway.WriteOCIArchive(f, imgs...); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := transfer.Copy(t.Context(), openArchive(t, path), into(t), transfer.Options{}); err != nil {
			t.Fatal(err)
		}
	}
}

// native is containerd as an end for the other tests of the matrix.
func native(e *throwaway.Engine, namespace string) end {
	return end{name: e.Spec().Name, kept: true,
		load: func(t *testing.T, imgs ...throwaway.Image) {
			t.Helper()
			if err := throwaway.LoadPulled(t.Context(), e, imgs...); err != nil {
				t.Fatal(err)
			}
		},
		source: func(t *testing.T, ref string) transfer.Source {
			t.Helper()
			return source(t, open(t, e, namespace), ref)
		},
		sink: func(t *testing.T) transfer.Sink {
			t.Helper()
			return sink(t, open(t, e, namespace))
		},
	}
}

// TestInto copies images from every kind of end: cold, once more, and with one
// layer more.
func TestInto(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.Get(t, spec, "receiver")
		from := append(others(t), native(pool.Get(t, spec, "sender"), ""))
		for _, other := range throwawaytest.NativeSpecs(t) {
			if other.Name != spec.Name {
				from = append(from, native(pool.Get(t, other, "sender"), ""))
			}
		}
		for _, f := range from {
			t.Run("from "+f.name, func(t *testing.T) { testInto(t, f, to) })
		}
	})
}

func testInto(t *testing.T, from end, to *throwaway.Engine) {
	v1, v2 := versions(from.name + " to " + to.Spec().Name)
	from.load(t, v1, v2)
	s := open(t, to, "")
	cold, arrivals := copied(t, from.source(t, v1.Ref), sink(t, s))
	if cold.Skipped != 0 || len(arrivals) != 1 {
		t.Errorf("cold: skipped %d bytes, arrived: %v", cold.Skipped, arrivals)
	}
	check(t, to, "default", v1)
	again, _ := copied(t, from.source(t, v1.Ref), sink(t, s))
	if again.Bytes != 0 {
		t.Errorf("nothing new: sent %d bytes", again.Bytes)
	}
	next, arrivals := copied(t, from.source(t, v2.Ref), sink(t, s))
	if limit := v2.Layers[len(v2.Layers)-1].TarSize() + 16<<10; next.Bytes > limit {
		t.Errorf("one new layer: sent %d bytes, over %d", next.Bytes, limit)
	}
	check(t, to, "default", v1)
	check(t, to, "default", v2)
	offered, err := from.source(t, v2.Ref).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if root := offered.Images[0].Root; root != "" && (len(arrivals) != 1 || arrivals[0].New != root) {
		t.Errorf("the manifest was %s, arrived: %v", root, arrivals)
	}
}

// TestOutOf copies images into every kind of end, and from there into another
// containerd, where they are as they were.
func TestOutOf(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from := native(pool.Get(t, spec, "sender"), "")
		for _, to := range others(t) {
			t.Run("to "+to.name, func(t *testing.T) {
				v1, v2 := versions(spec.Name + " to " + to.name)
				from.load(t, v1, v2)
				if _, arrivals := copied(t, from.source(t, v1.Ref), to.sink(t)); len(arrivals) != 1 {
					t.Errorf("arrived: %v", arrivals)
				}
				next, _ := copied(t, from.source(t, v2.Ref), to.sink(t))
				if limit := v2.Layers[len(v2.Layers)-1].TarSize() + 16<<10; next.Bytes > limit && to.name != "archive" {
					t.Errorf("one new layer: sent %d bytes, over %d", next.Bytes, limit)
				}
				back := pool.Get(t, spec, "receiver")
				_, arrivals := copied(t, to.source(t, v2.Ref), sink(t, open(t, back, "back")))
				check(t, back, "back", v2)
				was, err := from.source(t, v2.Ref).Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if to.kept && (len(arrivals) != 1 || arrivals[0].New != was.Images[0].Root) {
					t.Errorf("the manifest was %s, came back: %v", was.Images[0].Root, arrivals)
				}
			})
		}
	})
}
