//go:build linux

package docker_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// TestPushStopped cancels a push from an engine that does not move any more,
// inside a blob: the copy ends all the same.
func TestPushStopped(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := start(t, spec), pool.Get(t, spec, "receiver")
		defer from.Stop()
		m := big("stopped " + spec.Name)
		load(t, from, m)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		defer func() { _ = syscall.Kill(from.PID(), syscall.SIGCONT) }()
		_, err := push(ctx, t, from, to, nil, hooked{halfway: func() {
			if err := syscall.Kill(from.PID(), syscall.SIGSTOP); err != nil {
				t.Error(err)
			}
			cancel()
		}}, m.Ref)
		if transfer.KindOf(err) != transfer.KindInterrupted {
			t.Errorf("it ended with %v", err)
		}
		absent(t, to, m.Ref)
		leftovers(t, to)
	})
}
