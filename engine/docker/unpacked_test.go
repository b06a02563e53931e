package docker_test

import (
	"bytes"
	"os/exec"
	"strconv"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// TestNotUnpacked sends an image that is whole at the receiver and not unpacked, as an
// engine keeps it whose load was interrupted: it is loaded once more, which compares its
// layers with what was offered, before it has its name.
func TestNotUnpacked(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		if spec.Name == "containerd-26.1" {
			t.Skip("the engine does not tell")
		}
		m := throwaway.Image{Ref: "notunpacked:1", Layers: []throwaway.Layer{{Size: 200_000, Seed: 4711}}}
		load(t, from, m)
		importOnly(t, to, m)
		if unpackedSize(t, to, m.Ref) != 0 {
			t.Fatal("the engine has unpacked it already")
		}
		_, arrivals := copyImages(t, from, to, m.Ref)
		check(t, to, m, arrivals)
		if unpackedSize(t, to, m.Ref) == 0 {
			t.Error("it has its name and is not unpacked")
		}
		if again, _ := copyImages(t, from, to, m.Ref); again.Bytes != 0 {
			t.Errorf("sent again: %d bytes", again.Bytes)
		}
		leftovers(t, from)
		prune(t, to) // what had the name before
		leftovers(t, to)
	})
}

// prune removes the images without a name.
func prune(t *testing.T, e *throwaway.Engine) {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ImagesPrune(t.Context(), filters.NewArgs(filters.Arg("dangling", "true"))); err != nil {
		t.Fatal(err)
	}
}

// importOnly puts an image into the containerd of a Docker Engine, and does not unpack it.
func importOnly(t *testing.T, e *throwaway.Engine, m throwaway.Image) {
	t.Helper()
	var archive bytes.Buffer
	if err := throwaway.WriteDockerArchive(&archive, m); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "nsenter", "--target", strconv.Itoa(e.PID()), "--mount", "--root", "--wd=/",
		"ctr", "--address", "/run/x/containerd/containerd.sock", "--namespace", "moby", "images", "import", "--no-unpack", "-")
	cmd.Stdin = &archive
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// unpackedSize returns the bytes that an image takes unpacked.
func unpackedSize(t *testing.T, e *throwaway.Engine, ref string) (n int64) {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in, err := c.ImageInspect(t.Context(), ref, client.ImageInspectWithManifests(true))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range in.Manifests {
		if m.ImageData != nil {
			n += m.ImageData.Size.Unpacked
		}
	}
	return n
}
