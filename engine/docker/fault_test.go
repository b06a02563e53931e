package docker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// direct copies without a stream between, through hooks.
func direct(ctx context.Context, t *testing.T, from, to *throwaway.Engine, h hooked, names ...string) ([]string, error) {
	t.Helper()
	var reqs []store.Request
	for _, n := range names {
		reqs = append(reqs, store.Request{Image: n})
	}
	src, err := docker.NewSource(ctx, open(t, from), reqs, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h.Sink = docker.NewSink(open(t, to))
	var retries []string
	_, err = transfer.Copy(ctx, src, &h, transfer.Options{OnRetry: func(r string) { retries = append(retries, r) }})
	return retries, err
}

// eachStore runs a test for every engine of the matrix as the receiver, with the
// first classic one as the sender.
func eachStore(t *testing.T, test func(t *testing.T, from throwaway.Spec, to throwaway.Spec)) {
	all := specs(t)
	for _, to := range all {
		t.Run(to.Name, func(t *testing.T) { test(t, all[0], to) })
	}
}

func big(name string) throwaway.Image {
	v1, _ := versions(name)
	v1.Layers[0].Size = 30 << 20
	return v1
}

func absent(t *testing.T, e *throwaway.Engine, ref string) {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if in, err := c.ImageInspect(t.Context(), ref); err == nil {
		t.Errorf("%s has the name %s, for %s", e.Spec().Name, ref, in.ID)
	}
}

func wantError(t *testing.T, err error, kind transfer.Kind, words string) {
	t.Helper()
	if err == nil {
		t.Fatal("it worked")
	}
	if transfer.KindOf(err) != kind || !strings.Contains(err.Error(), words) {
		t.Fatalf("error of kind %s, not %s with %q: %v", transfer.KindOf(err), kind, words, err)
	}
}

func TestSendingEngineDies(t *testing.T) {
	all := specs(t)
	for _, spec := range all {
		t.Run(spec.Name, func(t *testing.T) {
			from, to := start(t, spec), pool.Get(t, all[0], "receiver")
			defer from.Stop()
			m := big("dies mid-save " + spec.Name)
			load(t, from, m)
			_, err := direct(t.Context(), t, from, to, hooked{halfway: func() { _ = from.Kill() }}, m.Ref)
			op := "save"
			if spec.Containerd {
				op = "read blob"
			}
			wantError(t, err, transfer.KindEngine, op)
			absent(t, to, m.Ref)
			leftovers(t, to)
		})
	}
}

func TestReceivingEngineDies(t *testing.T) {
	eachStore(t, func(t *testing.T, fromSpec, spec throwaway.Spec) {
		from, to := pool.Get(t, fromSpec, "sender"), start(t, spec)
		defer to.Stop()
		m := big("dies mid-load " + spec.Name)
		load(t, from, m)
		_, err := direct(t.Context(), t, from, to, hooked{halfway: func() { _ = to.Kill() }}, m.Ref)
		wantError(t, err, transfer.KindEngine, "load")
		// It comes back without a trace of the image, and takes it then.
		if err := to.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		absent(t, to, m.Ref)
		leftovers(t, to)
		if _, err := direct(t.Context(), t, from, to, hooked{}, m.Ref); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDiskFull(t *testing.T) {
	eachStore(t, func(t *testing.T, fromSpec, spec throwaway.Spec) {
		spec.DiskLimit = 24 << 20
		from, to := pool.Get(t, fromSpec, "sender"), start(t, spec)
		defer to.Stop()
		m := big("disk full " + spec.Name)
		load(t, from, m)
		_, err := direct(t.Context(), t, from, to, hooked{}, m.Ref)
		wantError(t, err, transfer.KindEngine, "no space left on device")
		absent(t, to, m.Ref)
		leftovers(t, to)
	})
}

func TestInterrupted(t *testing.T) {
	eachStore(t, func(t *testing.T, fromSpec, spec throwaway.Spec) {
		from, to := pool.Get(t, fromSpec, "sender"), pool.Get(t, spec, "receiver")
		m := big("interrupted " + spec.Name)
		load(t, from, m)
		for when, h := range map[string]func(cancel func()) hooked{
			"planned":   func(cancel func()) hooked { return hooked{planned: cancel} },
			"halfway":   func(cancel func()) hooked { return hooked{halfway: cancel} },
			"committed": func(cancel func()) hooked { return hooked{committed: cancel} },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := direct(ctx, t, from, to, h(cancel), m.Ref)
			cancel()
			if transfer.KindOf(err) != transfer.KindInterrupted {
				t.Errorf("%s: %v", when, err)
			}
			absent(t, to, m.Ref)
			leftovers(t, to)
		}
		if _, err := direct(t.Context(), t, from, to, hooked{}, m.Ref); err != nil {
			t.Fatal(err)
		}
	})
}

// TestLayerVanishes removes the image that a plan counted on.
func TestLayerVanishes(t *testing.T) {
	eachStore(t, func(t *testing.T, fromSpec, spec throwaway.Spec) {
		from, to := pool.Get(t, fromSpec, "sender"), pool.Get(t, spec, "receiver")
		v1, v2 := versions("vanishes " + spec.Name)
		load(t, from, v1, v2)
		if _, err := direct(t.Context(), t, from, to, hooked{}, v1.Ref); err != nil {
			t.Fatal(err)
		}
		retries, err := direct(t.Context(), t, from, to, hooked{planned: func() { remove(t, to, v1.Ref) }}, v2.Ref)
		if err != nil {
			t.Fatal(err)
		}
		if len(retries) != 1 {
			t.Errorf("retries: %q", retries)
		}
		check(t, to, v2, []transfer.Arrival{{New: id(t, to, v2.Ref)}})
		leftovers(t, to)
	})
}

func remove(t *testing.T, e *throwaway.Engine, ref string) {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ImageRemove(t.Context(), ref, image.RemoveOptions{PruneChildren: true}); err != nil {
		t.Fatal(err)
	}
}

// TestWrongBlob has a blob fail its check on its way into the load.
func TestWrongBlob(t *testing.T) {
	eachStore(t, func(t *testing.T, fromSpec, spec throwaway.Spec) {
		from, to := pool.Get(t, fromSpec, "sender"), pool.Get(t, spec, "receiver")
		m := big("wrong blob " + spec.Name)
		load(t, from, m)
		src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.Ref}}, store.SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		bad := &transfer.Error{Kind: transfer.KindBroken, Err: errors.New("bad blob")}
		_, err = transfer.Copy(t.Context(), src, &failing{docker.NewSink(open(t, to)), bad}, transfer.Options{})
		wantError(t, err, transfer.KindBroken, "bad blob")
		absent(t, to, m.Ref)
		leftovers(t, to)
	})
}
