//go:build linux

package docker_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// TestEngineStopped has an engine not move any more while it exports, while it
// takes a layer, and while it loads: both sides end, and say whose engine it was.
func TestEngineStopped(t *testing.T) {
	newest := map[string]throwaway.Spec{}
	for _, s := range specs(t) {
		kind := "classic"
		switch {
		case s.Kind == throwaway.Podman:
			kind = "podman"
		case s.Containerd:
			kind = "containerd"
		}
		newest[kind] = s
	}
	for kind, spec := range newest {
		t.Run(kind, func(t *testing.T) {
			from, to := start(t, spec), start(t, spec)
			defer from.Stop()
			defer to.Stop()
			m := big("engine stopped " + spec.Name)
			load(t, from, m)
			for name, c := range map[string]struct {
				stopped *throwaway.Engine
				hook    func(func()) hooked
			}{
				"export": {from, func(stop func()) hooked { return hooked{halfway: stop} }},
				"put":    {to, func(stop func()) hooked { return hooked{halfway: stop} }},
				"load":   {to, func(stop func()) hooked { return hooked{committed: stop} }},
			} {
				t.Run(name, func(t *testing.T) {
					defer func() { _ = syscall.Kill(c.stopped.PID(), syscall.SIGCONT) }()
					sent, received := stopped(t, from, to, m.Ref, c.hook(func() {
						if err := syscall.Kill(c.stopped.PID(), syscall.SIGSTOP); err != nil {
							t.Error(err)
						}
					}))
					wantEngine(t, "sender", sent, c.stopped == to)
					wantEngine(t, "receiver", received, c.stopped == from)
					_ = syscall.Kill(c.stopped.PID(), syscall.SIGCONT)
					absent(t, to, m.Ref)
				})
			}
			// They are as good as before.
			if _, err := direct(t.Context(), t, from, to, hooked{}, m.Ref); err != nil {
				t.Error(err)
			}
		})
	}
}

// stopped copies an image over a stream, with little patience, and returns what
// either side says.
func stopped(t *testing.T, from, to *throwaway.Engine, ref string, h hooked) (sent, received error) {
	t.Helper()
	patience := transfer.Patience{Bytes: 3 * time.Second, Work: 4 * time.Second}
	src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: ref}}, store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h.Sink = docker.NewSink(open(t, to))
	near, far := transfertest.TCP(t)
	done := make(chan error, 1)
	go func() {
		rcv, err := wire.NewReceiver(t.Context(), far, wire.Hello{}, wire.StreamOptions{})
		if err == nil {
			_, err = transfer.Copy(t.Context(), rcv, &h, transfer.Options{Patience: patience})
		}
		done <- err
	}()
	snd, err := wire.NewSender(t.Context(), near, wire.Hello{}, wire.StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, sent = transfer.Copy(t.Context(), src, snd, transfer.Options{Patience: patience})
	select {
	case received = <-done:
	case <-time.After(time.Minute):
		t.Fatal("the receiver does not end")
	}
	return sent, received
}

func wantEngine(t *testing.T, side string, err error, remote bool) {
	t.Helper()
	wantError(t, err, transfer.KindEngine, "the engine has not ")
	var e *transfer.Error
	if errors.As(err, &e) && e.Remote != remote {
		t.Errorf("%s: %v: of the other side: %v, want %v", side, err, e.Remote, remote)
	}
}
