package docker_test

import (
	"context"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/opencontainers/go-digest"
)

// TestConfig asks every engine that pushes layers for the config of an image, by its name and by
// one that nothing has: what comes is the config itself, or an error at once.
func TestConfig(t *testing.T) {
	layered(t, func(t *testing.T, spec throwaway.Spec) {
		e := pool.Get(t, spec, "sender")
		v1, _ := versions("config " + spec.Name)
		load(t, e, v1)
		h := open(t, e)
		src, err := docker.NewSource(t.Context(), h, []store.Request{{Image: v1.Ref}}, store.SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for _, ref := range []string{"docker.io/library/" + v1.Ref, "127.0.0.1:9/nobody:1.0"} {
			b, err := src.Config(ctx, ref)
			if ctx.Err() != nil {
				t.Fatalf("%s is waited for: %v", ref, err)
			}
			there := ref != "127.0.0.1:9/nobody:1.0" && spec.Kind == throwaway.Docker
			if there != (err == nil) {
				t.Errorf("%s: %v", ref, err)
			}
			if want := digest.Digest(v1.ID()); there && digest.FromBytes(b) != want {
				t.Errorf("%s has the config %s, not %s", ref, digest.FromBytes(b), want)
			}
		}
	})
}
