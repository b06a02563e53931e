package wire_test

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// A replay is a Stream whose other side says what was written down before. An
// answer waits for the offer, a result for the index, but not for long: what is
// replayed may not have them in their order.
type replay struct {
	mu    sync.Mutex
	cond  *sync.Cond
	in    *bytes.Reader
	sent  [256]bool // frame types that were written
	ended bool
}

func newReplay(in []byte) *replay {
	r := &replay{in: bytes.NewReader(in)}
	r.cond = sync.NewCond(&r.mu)
	return r
}

// Read hands out one frame at a time, as far as there are any.
func (r *replay) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := make([]byte, min(5, r.in.Len()))
	at := r.in.Size() - int64(r.in.Len())
	r.in.ReadAt(left, at)
	if len(left) > 0 && len(b) >= 4096 {
		late := false
		timer := time.AfterFunc(20*time.Millisecond, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			late = true
			r.cond.Broadcast()
		})
		for wait := map[byte]byte{tAnswer: tOffer, tResult: tIndex}[left[0]]; wait != 0 && !r.sent[wait] && !r.ended && !late; {
			r.cond.Wait()
		}
		timer.Stop()
	}
	n := len(b)
	if len(left) == 5 {
		body := int(left[1])<<24 | int(left[2])<<16 | int(left[3])<<8 | int(left[4])
		n = min(n, 5+body)
	}
	return r.in.Read(b[:n])
}

func (r *replay) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return 0, io.ErrClosedPipe
	}
	r.sent[b[0]] = true
	r.cond.Broadcast()
	return len(b), nil
}

func (r *replay) CloseWrite() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.cond.Broadcast()
	return nil
}

func (r *replay) Close() error                     { return r.CloseWrite() }
func (r *replay) SetReadDeadline(time.Time) error  { return nil }
func (r *replay) SetWriteDeadline(time.Time) error { return nil }

// bounded fails if f hangs or allocates beyond all measure.
func bounded(t *testing.T, in []byte, f func(context.Context)) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	f(ctx)
	if ctx.Err() != nil {
		t.Fatal("hangs")
	}
	runtime.ReadMemStats(&after)
	// Some for the buffers of either side, then by what was really sent.
	if n := after.TotalAlloc - before.TotalAlloc; n > 128<<20+64*uint64(len(in)) {
		t.Fatalf("%d bytes allocated for %d", n, len(in))
	}
}

func fuzzImage() *memImage { return newImage("a:1", false, []byte("hello"), text(1, 3000)) }

// seedConversations adds a good conversation, as one side said it, and each
// golden frame in the middle of it.
func seedConversations(f *testing.F, side func(conversation) []wireFrame) {
	var good []byte
	var at []int
	frames := side(record(f, fuzzImage()))
	if len(frames) < 3 {
		f.Fatalf("conversation of %d frames", len(frames))
	}
	for _, w := range frames {
		at = append(at, len(good))
		good = append(good, w.bytes()...)
	}
	f.Add(good)
	for _, g := range wire.Goldens(f) {
		for _, i := range []int{1, 2} {
			f.Add(slices.Concat(good[:at[i]], g.Frame, good[at[i]:]))
		}
	}
}

// wantNoOther fails if what has the ID of m in the sink is something else.
func wantNoOther(t testing.TB, dst *memSink, m *memImage) {
	t.Helper()
	for id := range dst.Images {
		if id == m.ID && !bytes.Equal(dst.Blobs[m.Index.Layers[1].Digest], m.Blobs[m.Index.Layers[1].Digest]) {
			t.Error("another image arrived")
		}
	}
}

func FuzzReceiver(f *testing.F) {
	seedConversations(f, func(c conversation) []wireFrame { return c.sent })
	m := fuzzImage()
	f.Fuzz(func(t *testing.T, in []byte) {
		bounded(t, in, func(ctx context.Context) {
			rcv, err := wire.NewReceiver(ctx, newReplay(in), wire.Hello{}, wire.StreamOptions{})
			if err != nil {
				return
			}
			dst := newSink()
			_, _ = transfer.Copy(ctx, rcv, dst, transfer.Options{})
			wantNoOther(t, dst, m)
		})
	})
}

func FuzzSender(f *testing.F) {
	seedConversations(f, func(c conversation) []wireFrame { return c.received })
	f.Fuzz(func(t *testing.T, in []byte) {
		bounded(t, in, func(ctx context.Context) {
			snd, err := wire.NewSender(ctx, newReplay(in), wire.Hello{}, wire.StreamOptions{})
			if err != nil {
				return
			}
			rep, err := transfer.Copy(ctx, newSource(fuzzImage()), snd, transfer.Options{})
			if err == nil && rep.Images != 1 && !rep.DryRun {
				t.Errorf("success without an image: %+v", rep)
			}
		})
	})
}
