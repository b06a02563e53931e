//go:build unix

package docker_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// TestPushIdle has an engine stop inside a push and go on later: by then the
// push is given up and the image is saved.
func TestPushIdle(t *testing.T) {
	pushers(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := start(t, spec), pool.Get(t, spec, "receiver")
		defer from.Stop()
		base, m := update("idle "+spec.Name, 2)
		load(t, from, base, m)
		load(t, to, base)
		src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.Ref}}, store.SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var ran []string
		src.OnExport = func(_ *transfer.Image, exporter, why string) { ran = append(ran, exporter, why) }
		src.SetPushFloor(0)
		src.SetIdleTime(500 * time.Millisecond)
		stopped := false
		src.SetOnUpload(func(int) error {
			if !stopped { // one upload is there, and at least one more is to come
				stopped = true
				if err := syscall.Kill(from.PID(), syscall.SIGSTOP); err != nil {
					return err
				}
				time.AfterFunc(2*time.Second, func() { _ = syscall.Kill(from.PID(), syscall.SIGCONT) })
			}
			return nil
		})
		_, err = transfer.Copy(t.Context(), src, docker.NewSink(open(t, to)), transfer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(ran) != 2 || ran[0] != "save" || !strings.Contains(ran[1], "hands over nothing") {
			t.Errorf("left by %q", ran)
		}
		checkLayers(t, to, m)
		leftovers(t, from, to)
	})
}
