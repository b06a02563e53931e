package wire_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// TestQueue has a receiver say why the sender waits for its turn, say something else
// then, claim too much, and begin.
func TestQueue(t *testing.T) {
	checkLeaks(t)
	near, far := transfertest.TCP(t)
	var says atomic.Pointer[wire.Queue]
	says.Store(&wire.Queue{Once: true})
	progress := new(transfer.Progress)
	progress.Enter(transfer.Queued)
	accepted := make(chan *wire.Receiver, 1)
	go func() {
		defer close(accepted)
		rcv, err := wire.NewReceiver(t.Context(), far, wire.Hello{},
			wire.StreamOptions{Idle: 2 * time.Second, Progress: progress, Queue: func() wire.Queue { return *says.Load() }})
		if err != nil {
			t.Error(err)
			return
		}
		accepted <- rcv
	}()
	snd, err := wire.NewSender(t.Context(), near, wire.Hello{}, wire.StreamOptions{Idle: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	late := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	await := func(want wire.Queue, queued bool) {
		t.Helper()
		for snd.PeerPhase() == "" || !is(snd, want, queued) {
			select {
			case <-tick.C:
			case <-late:
				q, on := snd.PeerQueue()
				t.Fatalf("the sender hears %+v, %v", q, on)
			}
		}
	}
	await(wire.Queue{Once: true}, true)
	says.Store(&wire.Queue{Lost: 480})
	await(wire.Queue{Lost: 480}, true)
	says.Store(&wire.Queue{Lost: 1 << 50})
	await(wire.Queue{Lost: 365 * 24 * 3600}, true)
	says.Store(&wire.Queue{Lost: -1})
	await(wire.Queue{}, true)
	progress.Enter(transfer.Describing)
	await(wire.Queue{}, false)
	_ = snd.Close(nil)
	_ = (<-accepted).Close(nil)
}

func is(snd *wire.Sender, want wire.Queue, queued bool) bool {
	q, on := snd.PeerQueue()
	return q == want && on == queued
}
