package wire_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// hubCopy copies src to all sinks at the same time, each over a TCP connection of its
// own that takes so many bytes a second (0: no limit), and returns what the sending side says of each.
func hubCopy(t testing.TB, src transfer.Source, rate int64, blocks *wire.BlockCache, c wire.Compression, sinks ...transfer.Sink) []error {
	t.Helper()
	ctx := t.Context()
	hub := transfer.NewHub(ctx, src, transfer.HubOptions{})
	taps := make([]*transfer.Tap, len(sinks))
	for i := range taps {
		taps[i] = hub.Tap(nil)
	}
	sent, received := make([]error, len(sinks)), make([]error, len(sinks))
	var wg sync.WaitGroup
	for i, dst := range sinks {
		near, far := transfertest.TCP(t)
		wg.Go(func() {
			rcv, err := wire.NewReceiver(ctx, far, wire.Hello{Program: "imgrecv test"}, wire.StreamOptions{})
			if err == nil {
				_, err = transfer.Copy(ctx, rcv, dst, transfer.Options{})
			}
			received[i] = err
		})
		wg.Go(func() {
			snd, err := wire.NewSender(ctx, wire.Limit(near, rate), wire.Hello{Program: "imgsend test"}, wire.StreamOptions{Compression: c, Blocks: blocks})
			if err != nil {
				sent[i] = errors.Join(err, taps[i].Close(err))
				return
			}
			_, sent[i] = transfer.Copy(ctx, taps[i], snd, transfer.Options{})
		})
	}
	wg.Wait()
	if err := hub.Close(); err != nil {
		t.Error(err)
	}
	for i := range sinks {
		if (sent[i] == nil) != (received[i] == nil) {
			t.Errorf("copy %d: the sender says %v, the receiver %v", i, sent[i], received[i])
		}
	}
	return sent
}

// TestHubOverStreams has three receivers, one of which fails: the others have everything,
// and each block was compressed once.
func TestHubOverStreams(t *testing.T) {
	checkLeaks(t)
	image := newImage("a:1", false, text(1, 5*block), text(2, 100))
	src, a, b, bad := newSource(image), newSink(), newSink(), newSink()
	bad.OnPut = func(_ context.Context, n int) error {
		if n == 1 {
			return engineError("disk full")
		}
		return nil
	}
	cache := new(wire.BlockCache)
	errs := hubCopy(t, src, 0, cache, wire.CompressFast, a, bad, b)
	wantErr(t, "failing", errs[1], transfer.KindEngine, true, "disk full")
	for i, dst := range map[int]*memSink{0: a, 2: b} {
		if errs[i] != nil || dst.Names["a:1"] != image.ID {
			t.Errorf("copy %d: %v, names %v", i, errs[i], dst.Names)
		}
	}
	if n := wire.Compressed(cache); n != 7 || src.Exported != 1 {
		t.Errorf("%d blocks were compressed, in %d exports", n, src.Exported)
	}
}

// BenchmarkHub is the same image sent to one receiver and to three, all in this process, over
// lines of 1 Gbit/s each.
func BenchmarkHub(b *testing.B) {
	const size, gigabit = 64 << 20, 125_000_000
	part := text(1, 4<<20)
	layer := make([]byte, 0, size)
	for len(layer) < size {
		layer = append(layer, part...)
	}
	for name, layer := range map[string][]byte{"text": layer, "noise": random(1, size)} {
		image := newImage("a:1", false, layer)
		for _, n := range []int{1, 3} {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					sinks := make([]transfer.Sink, n)
					for i := range sinks {
						sinks[i] = nullSink{newSink()}
					}
					for _, err := range hubCopy(b, newSource(image), gigabit, new(wire.BlockCache), wire.CompressFast, sinks...) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
