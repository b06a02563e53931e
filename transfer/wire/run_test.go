package wire_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
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
	out, in            wire.Stream // default: a TCP connection
	sendCtx            context.Context
	recvCtx            context.Context
	sendOpts           transfer.Options
	recvOpts           transfer.Options
	compression        wire.Compression
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
		snd, err := wire.NewSender(r.sendCtx, r.out, wire.Hello{Program: "imgsend test"},
			wire.StreamOptions{Compression: r.compression, Idle: patience, Progress: r.sendOpts.Progress})
		if err != nil {
			r.sendErr = err
			return
		}
		r.sendRep, r.sendErr = transfer.Copy(r.sendCtx, r.src, snd, r.sendOpts)
	}()
	go func() {
		defer close(received)
		defer func() { r.recvTook = time.Since(start) }()
		rcv, err := wire.NewReceiver(r.recvCtx, r.in, wire.Hello{Program: "imgrecv test"},
			wire.StreamOptions{Idle: r.idle, Progress: r.recvOpts.Progress})
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
	if len(s.Images) != 0 || len(s.Names) != 0 {
		t.Errorf("sink has %d images and %d names", len(s.Images), len(s.Names))
	}
	if s.Closed != 1 || s.CloseErr == nil {
		t.Errorf("sink was closed %d times, with %v", s.Closed, s.CloseErr)
	}
}
