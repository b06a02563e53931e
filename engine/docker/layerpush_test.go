package docker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// layered runs a test for every engine of the matrix that pushes single layers.
func layered(t *testing.T, test func(t *testing.T, spec throwaway.Spec)) {
	for _, spec := range specs(t) {
		if !spec.Containerd {
			t.Run(spec.Name, func(t *testing.T) { test(t, spec) })
		}
	}
}

// update returns an image with so many layers on a base, so small that only
// they are worth a push, and the base.
func update(name string, layers int) (base, m throwaway.Image) {
	base, _ = versions(name)
	base.Layers[0].Size = 12 << 20
	m = throwaway.Image{Ref: strings.TrimSuffix(base.Ref, "1.0") + "2.0", Layers: slices.Clone(base.Layers), Cmd: []string{"/app", "two"}}
	for i := range layers {
		m.Layers = append(m.Layers, throwaway.Layer{Size: int64(1+i%3) * 100_000, Seed: base.Layers[0].Seed + 100 + uint64(i), Kind: throwaway.Text})
	}
	return base, m
}

// TestLayerPush has engines push only the layers that are new, twice: the second
// time they know what they have pushed.
func TestLayerPush(t *testing.T) {
	layered(t, func(t *testing.T, spec throwaway.Spec) {
		for _, to := range specs(t) {
			if to.Name != spec.Name && spec.Name != specs(t)[0].Name {
				continue // what a receiver says does not depend on the sender
			}
			t.Run("to "+to.Name, func(t *testing.T) {
				from, to := pool.Get(t, spec, "sender"), pool.Get(t, to, "receiver")
				base, m := update("layers "+spec.Name+to.Spec().Name, 2)
				load(t, from, base, m)
				load(t, to, base)
				digests := map[string]bool{}
				for _, pass := range []string{"first", "again"} {
					ran, err := push(t.Context(), t, from, to, nil, hooked{}, m.Ref)
					if err != nil || strings.Join(ran, " ") != "push" {
						t.Fatalf("%s: left by %q, %v", pass, ran, err)
					}
					digests[checkLayers(t, to, m)] = true
					remove(t, to, m.Ref)
				}
				copyImages(t, from, to, m.Ref) // so small an image is saved
				if digests[checkLayers(t, to, m)] = true; len(digests) > 1 {
					t.Errorf("one image has the manifests %v", digests)
				}
				leftovers(t, from, to)
			})
		}
	})
}

// TestLayerPushMany pushes more new layers than an engine does at a time, from
// one that pushes five and from one that pushes one.
func TestLayerPushMany(t *testing.T) {
	layered(t, func(t *testing.T, spec throwaway.Spec) {
		for _, args := range [][]string{nil, {"--max-concurrent-uploads=1"}} {
			if args != nil && spec.Kind == throwaway.Podman {
				continue
			}
			t.Run(strings.Join(args, " "), func(t *testing.T) {
				from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
				if args != nil {
					one := spec
					one.Args = append(slices.Clone(spec.Args), args...)
					from = start(t, one)
					defer from.Stop()
				}
				base, m := update("many "+spec.Name+strings.Join(args, ""), 4)
				m.Layers = append(m.Layers, m.Layers[len(m.Layers)-1]) // one of them twice
				load(t, from, base, m)
				load(t, to, base)
				ran, err := push(t.Context(), t, from, to, nil, hooked{}, m.Ref)
				if err != nil || strings.Join(ran, " ") != "push" {
					t.Fatalf("left by %q, %v", ran, err)
				}
				checkLayers(t, to, m)
				leftovers(t, from, to)
			})
		}
	})
}

// TestLayerPushShared pushes two images that share a new layer, in one copy.
func TestLayerPushShared(t *testing.T) {
	layered(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		base, m := update("shared layers "+spec.Name, 1)
		n := m
		n.Ref = strings.TrimSuffix(m.Ref, "2.0") + "3.0"
		n.Layers = append(slices.Clone(m.Layers), throwaway.Layer{Size: 5000, Seed: m.Layers[0].Seed + 200})
		load(t, from, base, m, n)
		load(t, to, base)
		ran, err := push(t.Context(), t, from, to, nil, hooked{}, m.Ref, n.Ref)
		if err != nil || strings.Join(ran, " ") != "push push" {
			t.Fatalf("left by %q, %v", ran, err)
		}
		checkLayers(t, to, m)
		checkLayers(t, to, n)
		leftovers(t, from, to)
	})
}

// TestLayerPushCommitted pushes what was committed of a container: of Podman that
// is an image in OCI's format, with a config that a save would write anew.
func TestLayerPushCommitted(t *testing.T) {
	layered(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		b := newBox(t, from, nil)
		b.write("note", "kept")
		copyImages(t, from, to, b.base.Ref)
		m, err := b.find().Commit(t.Context(), docker.CommitOptions{Message: "Configured"})
		if err != nil {
			t.Fatal(err)
		}
		as := strings.TrimSuffix(b.base.Ref, ":1.0") + ":committed"
		src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{m.Request(as)}, store.SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		src.SetPushFloor(0)
		if got := exportTo(t, src, open(t, to)); got != "push" {
			t.Errorf("left by %q", got)
		}
		if got := inspect(t, to, as).ID; got != inspect(t, from, m.ID.String()).ID {
			t.Errorf("%s arrived as %s", m.ID, got)
		}
		if err := m.Remove(t.Context()); err != nil {
			t.Error(err)
		}
		if got := imageFiles(t, to, as); got["note"] != files(t, b.api, b.name)["note"] || got["note"] == "" {
			t.Errorf("the note is %q there", got["note"])
		}
		leftovers(t, from, to)
	})
}

// TestLayerPushRefused has a push fail before its first layer and after one: the
// image is saved then.
func TestLayerPushRefused(t *testing.T) {
	layered(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		base, m := update("refused layers "+spec.Name, 3)
		load(t, from, base, m)
		load(t, to, base)
		for limit := range 3 {
			ran, err := push(t.Context(), t, from, to, func(put int) error {
				if put >= limit {
					return errors.New("no more")
				}
				return nil
			}, hooked{}, m.Ref)
			if err != nil || strings.Join(ran, " ") != "save" {
				t.Fatalf("after %d layers: left by %q, %v", limit, ran, err)
			}
			checkLayers(t, to, m)
			remove(t, to, m.Ref)
		}
		leftovers(t, from, to)
	})
}

// TestLayerPushCancelled ends a push before a layer and while one is put:
// nothing is left.
func TestLayerPushCancelled(t *testing.T) {
	layered(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		base, m := update("cancelled layers "+spec.Name, 1)
		m.Layers[len(m.Layers)-1].Size = 1_200_000
		load(t, from, base, m)
		load(t, to, base)
		for _, inside := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stop := func() {
				if spec.Kind == throwaway.Docker { // the name of the image tells where the registry is
					stranger(t, from)
				}
				cancel()
			}
			var h hooked
			refuse := func(int) error { stop(); return nil }
			if inside {
				h.halfway, refuse = stop, nil
			}
			_, err := push(ctx, t, from, to, refuse, h, m.Ref)
			if transfer.KindOf(err) != transfer.KindInterrupted {
				t.Errorf("it ended with %v", err)
			}
			noGoroutine(t, "Engine).push", "loopback.", "http.(*Server).Serve(")
			absent(t, to, m.Ref)
		}
		leftovers(t, from, to)
	})
}

// TestLayerPushBelow has the only new layer below others: it is not waited for
// where the engine would push too many before it.
func TestLayerPushBelow(t *testing.T) {
	for _, to := range specs(t) {
		if !to.Containerd {
			continue // others do not have layers without those below
		}
		spec := specs(t)[0]
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, to, "receiver")
		for n, want := range map[int]string{2: "push", 6: "save"} {
			known, m := update(fmt.Sprint("below ", n), n)
			known.Layers = append(known.Layers, m.Layers[len(known.Layers)+1:]...)
			load(t, from, m)
			load(t, to, known)
			ran, err := push(t.Context(), t, from, to, nil, hooked{}, m.Ref)
			if err != nil || strings.Join(ran, " ") != want {
				t.Fatalf("%d layers: left by %q, %v", n, ran, err)
			}
			checkLayers(t, to, m)
		}
		leftovers(t, from, to)
	}
}

// checkLayers checks that the engine has the image, of its layers, and returns
// what the engine says of its manifest.
func checkLayers(t *testing.T, e *throwaway.Engine, m throwaway.Image) string {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in, err := c.ImageInspect(t.Context(), m.Ref)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(in.RootFS.Layers, m.DiffIDs()) || !slices.Equal(in.Config.Cmd, m.Cmd) {
		t.Errorf("%s arrived with the command %q and the layers %v", m.Ref, in.Config.Cmd, in.RootFS.Layers)
	}
	if e.Spec().Kind == throwaway.Docker && !e.Spec().Containerd && in.ID != m.ID() {
		t.Errorf("%s has the ID %s, not %s", m.Ref, in.ID, m.ID())
	}
	return in.ID + " " + strings.Join(in.RepoDigests, " ")
}
