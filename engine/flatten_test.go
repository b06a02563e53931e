package engine_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// TestFlatten sends the file system of containers in every state as one layer,
// with the container's settings and without.
func TestFlatten(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		e := pool.get(t, spec, "sender")
		b := newBox(t, e, func(c *container.Config, _ *container.HostConfig) {
			c.Env, c.WorkingDir, c.User = []string{"OWN=2"}, "/tmp", "1000:1000"
			c.Labels, c.StopSignal = map[string]string{"who": "us"}, "SIGINT"
			c.Volumes = map[string]struct{}{"/data": {}}
		})
		b.write("etc/own", "written in the container")
		for _, state := range []string{"created", "running"} {
			b.enter(state)
			checkFlat(t, b, false)
			b.want(state)
		}
		checkFlat(t, b, true)
		b.want("running")
		if err := b.api.ContainerPause(t.Context(), b.name); err != nil {
			t.Fatal(err)
		}
		checkFlat(t, b, false)
		b.want("paused")
		if err := b.api.ContainerUnpause(t.Context(), b.name); err != nil {
			t.Fatal(err)
		}
		leftovers(t, e)
	})
}

// checkFlat flattens the container of b into another engine of its kind.
func checkFlat(t *testing.T, b *box, bare bool) {
	t.Helper()
	to := pool.get(t, b.e.Spec(), "receiver")
	const ref = "flat:1"
	src, err := b.find().Flatten(t.Context(), engine.FlattenOptions{As: ref, Bare: bare, Message: "flattened", Author: "us"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Copy(t.Context(), src, engine.NewSink(t.Context(), open(t, to)), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	c, err := to.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in, err := c.ImageInspect(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.RootFS.Layers) != 1 {
		t.Errorf("it has %d layers", len(in.RootFS.Layers))
	}
	got := in.Config
	if bare {
		if len(got.Cmd) > 0 || len(got.Labels) > 0 || got.WorkingDir != "" && got.WorkingDir != "/" || slices.Contains(got.Env, "OWN=2") {
			t.Errorf("bare, it has the settings %+v", got)
		}
	} else {
		if !slices.Equal(got.Cmd, []string{"/sleep"}) || got.WorkingDir != "/tmp" || got.User != "1000:1000" ||
			!slices.Contains(got.Env, "OWN=2") || !slices.Contains(got.Env, "BASE=1") || got.Labels["who"] != "us" {
			t.Errorf("it has the settings %+v", got)
		}
		// Podman shows a container's own volumes as mounts only.
		if _, ok := got.Volumes["/data"]; !ok && b.e.Spec().Kind != throwaway.Podman {
			t.Errorf("it has the volumes %v", got.Volumes)
		}
	}
	there, want := imageFiles(t, to, ref), files(t, b.api, b.name)
	for _, m := range []map[string]string{there, want} {
		// Each engine makes these anew.
		maps.DeleteFunc(m, func(path, _ string) bool {
			return slices.Contains([]string{".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"}, path)
		})
	}
	if want["etc/own"] == "" || !maps.Equal(there, want) {
		t.Errorf("it has %d files, not the same %d", len(there), len(want))
	}
	if _, err := c.ImageRemove(t.Context(), ref, image.RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

// TestFlattenInterrupted lets the container run on when the export is given up.
func TestFlattenInterrupted(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.get(t, spec, "sender"), nil)
		b.enter("running")
		b.fill(64 << 20)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := b.afterPause(cancel)
		src, err := b.find().Flatten(ctx, engine.FlattenOptions{})
		seen()
		if err == nil {
			_ = src.Close(nil)
			t.Fatal("it was not interrupted")
		}
		if transfer.KindOf(err) != transfer.KindInterrupted {
			t.Errorf("interrupted: %v", err)
		}
		b.want("running")
	})
}
