package transfer_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checkLeaks fails the test if it leaves goroutines behind.
func checkLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
}

// A transferRun is how to copy over a stream; zero fields have defaults.
type transferRun struct {
	src                transfer.Source
	dst                transfer.Sink
	out, in            transfer.Stream // default: a TCP connection
	sendCtx            context.Context
	recvCtx            context.Context
	sendOpts           transfer.Options
	recvOpts           transfer.Options
	compression        transfer.Compression
	idle               time.Duration
	sendPatience       time.Duration // the sender's idle time, if another one
	limit              time.Duration // for the whole; default 20 s
	sendRep            *transfer.Report
	recvRep            *transfer.Report
	sendErr            error
	recvErr            error
	sendTook, recvTook time.Duration // how long either side took
}

// do copies src to dst, a Sender and a Receiver in between.
func (r *transferRun) do(t testing.TB) {
	t.Helper()
	if r.out == nil {
		a, b := transfertest.TCP(t)
		r.out, r.in = a, b
	}
	if r.sendCtx == nil {
		r.sendCtx = t.Context()
	}
	if r.recvCtx == nil {
		r.recvCtx = t.Context()
	}
	if r.limit == 0 {
		r.limit = 20 * time.Second
	}
	patience := r.idle
	if r.sendPatience != 0 {
		patience = r.sendPatience
	}
	start := time.Now()
	sent, received := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sent)
		defer func() { r.sendTook = time.Since(start) }()
		snd, err := transfer.NewSender(r.sendCtx, r.out, transfer.Hello{Program: "imgsend test"},
			transfer.StreamOptions{Compression: r.compression, Idle: patience, Progress: r.sendOpts.Progress})
		if err != nil {
			r.sendErr = err
			return
		}
		r.sendRep, r.sendErr = transfer.Copy(r.sendCtx, r.src, snd, r.sendOpts)
	}()
	go func() {
		defer close(received)
		defer func() { r.recvTook = time.Since(start) }()
		rcv, err := transfer.NewReceiver(r.recvCtx, r.in, transfer.Hello{Program: "imgrecv test"},
			transfer.StreamOptions{Idle: r.idle, Progress: r.recvOpts.Progress})
		if err != nil {
			r.recvErr = err
			return
		}
		r.recvRep, r.recvErr = transfer.Copy(r.recvCtx, rcv, r.dst, r.recvOpts)
	}()
	timeout := time.After(r.limit)
	for _, c := range []chan struct{}{sent, received} {
		select {
		case <-c:
		case <-timeout:
			panic("transfer hangs")
		}
	}
}

// wantErr fails unless err is of this kind, from this side, and says text.
func wantErr(t testing.TB, side string, err error, kind transfer.Kind, remote bool, text string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %s", side, kind)
		return
	}
	var e *transfer.Error
	isRemote := errors.As(err, &e) && e.Remote
	if transfer.KindOf(err) != kind || isRemote != remote || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: error %q of kind %s, remote %v; want kind %s, remote %v, text %q", side, err, transfer.KindOf(err), isRemote, kind, remote, text)
	}
}

// wantNothing fails if the sink has got anything, or was not closed once with
// an error.
func wantNothing(t testing.TB, s *memSink) {
	t.Helper()
	if len(s.images) != 0 || len(s.names) != 0 {
		t.Errorf("sink has %d images and %d names", len(s.images), len(s.names))
	}
	if s.closed != 1 || s.closeErr == nil {
		t.Errorf("sink was closed %d times, with %v", s.closed, s.closeErr)
	}
}

// random returns n incompressible bytes, the same for each seed.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	c := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	c.Read(b)
	return b
}

// text returns n bytes that compress about as well as a base layer.
func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([]string, 400)
	for i := range words {
		words[i] = string(random(seed+uint64(i)+1, 2+r.IntN(9))) + " "
	}
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, words[int(r.ExpFloat64()*60)%len(words)]...)
	}
	return b[:n]
}
