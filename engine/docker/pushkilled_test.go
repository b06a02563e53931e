package docker_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// TestPushKilled kills a process inside a push. The name that it leaves goes
// with the next run.
func TestPushKilled(t *testing.T) {
	if host := os.Getenv("IMGSEND_TEST_PUSH_HOST"); host != "" {
		pushUntilKilled(t, host, os.Getenv("IMGSEND_TEST_PUSH_IMAGE"))
		return
	}
	pushers(t, func(t *testing.T, spec throwaway.Spec) {
		from := pool.Get(t, spec, "sender")
		base, m := update("killed "+spec.Name, 1)
		m.Layers[len(m.Layers)-1].Size = 1_200_000 // see hooked
		load(t, from, m)
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestPushKilled$", "-test.timeout=1m")
		cmd.Env = append(os.Environ(), "IMGSEND_TEST_PUSH_HOST="+from.Host(), "IMGSEND_TEST_PUSH_IMAGE="+m.Ref, "IMGSEND_TEST_PUSH_BASE="+strings.Join(base.DiffIDs(), " "))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, halfway := bufio.NewScanner(out), false
		for !halfway && lines.Scan() {
			halfway = lines.Text() == "halfway"
		}
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		if !halfway {
			t.Fatal("the push did not come to its layer")
		}
		if !strings.Contains(strings.Join(tags(t, from), " "), "imgsend-push:") {
			t.Error("the killed process left no name: nothing is tested")
		}
		if _, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.Ref}}, store.SourceOptions{}); err != nil {
			t.Fatal(err)
		}
		leftovers(t, from)
	})
}

// pushUntilKilled stays inside the layer that is pushed.
func pushUntilKilled(t *testing.T, host, name string) {
	e, err := docker.Find(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	src, err := docker.NewSource(t.Context(), e, []store.Request{{Image: name}}, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	src.SetPushFloor(0)
	has := map[digest.Digest]bool{}
	for _, d := range strings.Fields(os.Getenv("IMGSEND_TEST_PUSH_BASE")) {
		has[digest.Digest(d)] = true
	}
	h := &hooked{Sink: &discard{has: has}, halfway: func() {
		_, _ = os.Stdout.WriteString("halfway\n")
		select {}
	}}
	_, err = transfer.Copy(t.Context(), src, h, transfer.Options{})
	t.Fatalf("it came to an end: %v", err)
}
