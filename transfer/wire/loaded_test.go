package wire_test

import (
	"context"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// A telling sink reports how far it has loaded.
type telling struct {
	*memSink
	report func(digest.Digest, float64)
}

func (s *telling) ReportTo(report func(digest.Digest, float64)) { s.report = report }

// TestLoadedThere has a receiving engine load one of two layers and a half: the sender
// shows the same as the receiver.
func TestLoadedThere(t *testing.T) {
	checkLeaks(t)
	m := newImage("a:1", false, random(1, 1000), random(2, 500))
	dst := &telling{memSink: newSink()}
	r := transferRun{src: newSource(m), dst: dst, idle: 2 * time.Second}
	r.sendOpts.Progress, r.recvOpts.Progress = new(transfer.Progress), new(transfer.Progress)
	want := transfer.Loaded{Layers: 1, Of: 2, Bytes: 1250, Total: 1500}
	dst.OnLoad = func(ctx context.Context) error {
		dst.report(m.Layers[0].DiffID, 1)
		dst.report(m.Layers[1].DiffID, 0.5)
		late := time.After(10 * time.Second)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for r.sendOpts.Progress.Loaded() != want {
			select {
			case <-tick.C:
			case <-late:
				t.Errorf("the sender shows %+v", r.sendOpts.Progress.Loaded())
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Errorf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
	}
	if got := r.recvOpts.Progress.Loaded(); got != want {
		t.Errorf("the receiver shows %+v", got)
	}
}

// TestLoadedHere has a sender say that it has loaded something, which is not its turn:
// what the receiver shows is its own.
func TestLoadedHere(t *testing.T) {
	checkLeaks(t)
	lie := wireFrame{tAlive, []byte(`{"layers":1,"of":1,"loaded":1000}`)}
	p := newTap(t, onFirst(tEnd, func(f wireFrame) []byte { return append(lie.bytes(), f.bytes()...) }), nil)
	dst := &telling{memSink: newSink()}
	r := transferRun{src: newSource(newImage("a:1", false, random(1, 1000))), dst: dst, out: p.out, in: p.in}
	r.recvOpts.Progress = new(transfer.Progress)
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Errorf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
	}
	if got, want := r.recvOpts.Progress.Loaded(), (transfer.Loaded{Of: 1, Total: 1000}); got != want {
		t.Errorf("the receiver shows %+v", got)
	}
}
