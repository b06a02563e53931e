package wire_test

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// A sinkhole is a Stream that takes in all that is written, noting how.
type sinkhole struct {
	bytes.Buffer
	longest int
	closed  bool
}

func (s *sinkhole) Write(b []byte) (int, error) {
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	s.longest = max(s.longest, len(b))
	return s.Buffer.Write(b)
}
func (s *sinkhole) Close() error                     { s.closed = true; return nil }
func (s *sinkhole) SetReadDeadline(time.Time) error  { return nil }
func (s *sinkhole) SetWriteDeadline(time.Time) error { return nil }

func TestLimitRate(t *testing.T) {
	const rate, size = 1_000_000, 200_000
	s := &sinkhole{}
	l := wire.Limit(s, rate)
	data := random(1, size)
	start := time.Now()
	for _, part := range [][]byte{data[:10], data[10:150_000], data[150_000:]} {
		if n, err := l.Write(part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	// The first piece goes out at once.
	if d := time.Since(start); d < (size-rate/20)*time.Second/rate-5*time.Millisecond {
		t.Errorf("%d bytes took %v", size, d)
	}
	if s.longest > rate/20 || !bytes.Equal(s.Bytes(), data) {
		t.Errorf("pieces of up to %d bytes, %d in all", s.longest, s.Len())
	}
	if wire.Limit(s, 0) != wire.Stream(s) {
		t.Error("no limit is a limit")
	}
}

// TestLimiter has two streams share a rate.
func TestLimiter(t *testing.T) {
	const rate, size = 1_000_000, 100_000
	limit := wire.Limiter(rate)
	start := time.Now()
	var wg sync.WaitGroup
	for range 2 {
		l := limit(&sinkhole{})
		wg.Go(func() {
			if _, err := l.Write(random(1, size)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if d := time.Since(start); d < (2*size-rate/20)*time.Second/rate-5*time.Millisecond {
		t.Errorf("twice %d bytes took %v", size, d)
	}
}

// Neither a deadline nor Close may wait for the rate.
func TestLimitEnds(t *testing.T) {
	checkLeaks(t)
	for _, end := range []func(wire.Stream){
		func(s wire.Stream) { s.SetWriteDeadline(time.Now().Add(time.Second)) },
		func(s wire.Stream) { s.Close() },
	} {
		a, b := transfertest.TCP(t)
		go io.Copy(io.Discard, b)
		l := wire.Limit(a, 1000)
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.Write(make([]byte, 1<<20))
		}()
		end(l)
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Fatal("write goes on")
		}
		b.Close()
		l.Close()
	}
}

func TestLimitedCopy(t *testing.T) {
	checkLeaks(t)
	a, b := transfertest.TCP(t)
	m := newImage("a:1", false, random(1, 300_000))
	dst := newSink()
	r := transferRun{src: newSource(m), dst: dst, out: wire.Limit(a, 2_000_000), in: b}
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Fatal(r.sendErr, r.recvErr)
	}
	if r.sendTook < 80*time.Millisecond {
		t.Errorf("took %v", r.sendTook)
	}
}

// The last word of an interrupted sender gets through, however low the rate.
func TestLimitedInterrupt(t *testing.T) {
	checkLeaks(t)
	a, b := transfertest.TCP(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dst := newSink()
	dst.OnPut = func(_ context.Context, n int) error {
		if n == 1 {
			cancel()
		}
		return nil
	}
	r := transferRun{src: newSource(newImage("a:1", false, random(1, 3*block))), dst: dst, out: wire.Limit(a, 3000), in: b, sendCtx: ctx}
	r.do(t)
	wantErr(t, "sender", r.sendErr, transfer.KindInterrupted, false, "")
	wantErr(t, "receiver", r.recvErr, transfer.KindInterrupted, true, "")
	wantNothing(t, dst)
}

func TestParseRate(t *testing.T) {
	for s, want := range map[string]int64{
		"1000": 1000, "500k": 500_000, "500K": 500_000, "10M": 10_000_000, "10MB": 10_000_000, "1.5MB/s": 1_500_000,
		"2MiB/s": 2 << 20, "64KiB": 64 << 10, "1G": 1e9, "10 M": 10_000_000, "1gib/s": 1 << 30, "2000B/s": 2000,
	} {
		if got, err := wire.ParseRate(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "fast", "-1M", "0", "999", "1e9", "inf", "NaN", "10X", "10MM", "10i", "1..5M", "0x10M", "9999999999999G", "M", "/s", "i"} {
		if got, err := wire.ParseRate(s); err == nil {
			t.Errorf("%q: %d", s, got)
		}
	}
}
