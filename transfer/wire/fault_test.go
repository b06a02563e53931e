package wire_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// soon is how long an ended transfer may take to end on both sides.
const soon = 3 * time.Second

func engineError(text string) error {
	return &transfer.Error{Kind: transfer.KindEngine, Op: "load", Err: errors.New(text), Hint: "try again"}
}

// A failure on one side has the same kind and message on both sides.
func TestFailures(t *testing.T) {
	checkLeaks(t)
	fail := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	failAt := func(n int, err error) func(context.Context, int) error {
		return func(_ context.Context, i int) error {
			if i == n {
				return err
			}
			return nil
		}
	}
	for _, test := range []struct {
		name string
		set  func(*transferRun, *memSource, *memSink)
		at   direction
		kind transfer.Kind
		text string
	}{
		{"accept", func(r *transferRun, _ *memSource, _ *memSink) {
			r.recvOpts.Accept = func(context.Context, *transfer.Offer) error { return errors.New("no nginx here") }
		}, fromReceiver, transfer.KindRefused, "no nginx here"},
		{"accept with a kind", func(r *transferRun, _ *memSource, _ *memSink) {
			r.recvOpts.Accept = func(context.Context, *transfer.Offer) error { return engineError("dead") }
		}, fromReceiver, transfer.KindEngine, "load: dead"},
		{"plan", func(_ *transferRun, _ *memSource, d *memSink) { d.OnPlan = fail(engineError("dead")) },
			fromReceiver, transfer.KindEngine, "load: dead"},
		{"invalid plan", func(_ *transferRun, _ *memSource, d *memSink) { d.Lie = func(p *transfer.Plan) { p.Images = nil } },
			fromReceiver, transfer.KindBroken, "answer for 0 of 1 images"},
		{"first put", func(_ *transferRun, _ *memSource, d *memSink) { d.OnPut = failAt(0, engineError("disk full")) },
			fromReceiver, transfer.KindEngine, "load: disk full"},
		{"last put", func(_ *transferRun, _ *memSource, d *memSink) { d.OnPut = failAt(2, engineError("disk full")) },
			fromReceiver, transfer.KindEngine, "load: disk full"},
		{"commit", func(_ *transferRun, _ *memSource, d *memSink) { d.OnLoad = fail(engineError("bad layer")) },
			fromReceiver, transfer.KindEngine, "load: bad layer"},
		{"commit without a kind", func(_ *transferRun, _ *memSource, d *memSink) { d.OnLoad = fail(errors.New("bad layer")) },
			fromReceiver, transfer.KindOther, "bad layer"},
		{"retry twice", func(_ *transferRun, _ *memSource, d *memSink) {
			d.Tell = func(o *transfer.Outcome) { *o = transfer.Outcome{Retry: "gone"} }
			d.OnLoad = func(context.Context) error {
				clear(d.Names)
				return nil
			}
		}, fromReceiver, transfer.KindBroken, "second retry"},
		{"outcome of another image", func(_ *transferRun, _ *memSource, d *memSink) {
			d.Tell = func(o *transfer.Outcome) { o.Images = nil }
		}, fromReceiver, transfer.KindBroken, "no word of a:1"},
		{"export", func(_ *transferRun, s *memSource, _ *memSink) { s.OnExport = fail(engineError("no such image")) },
			fromSender, transfer.KindEngine, "load: no such image"},
		{"export of the last blob", func(_ *transferRun, s *memSource, _ *memSink) { s.OnBlob = failAt(2, engineError("crash")) },
			fromSender, transfer.KindEngine, "load: crash"},
		{"short blob", func(_ *transferRun, s *memSource, _ *memSink) {
			s.Wrap = func(_ ocispec.Descriptor, b []byte) []byte { return b[:len(b)-1] }
		}, fromSender, transfer.KindBroken, "ends 1 bytes early"},
		{"long blob", func(_ *transferRun, s *memSource, _ *memSink) {
			s.Wrap = func(_ ocispec.Descriptor, b []byte) []byte { return append([]byte("x"), b...) }
		}, fromSender, transfer.KindBroken, "longer than"},
		{"another blob", func(_ *transferRun, s *memSource, _ *memSink) {
			s.Wrap = func(_ ocispec.Descriptor, b []byte) []byte { return make([]byte, len(b)) }
		}, fromSender, transfer.KindBroken, "another digest"},
		{"index of no images", func(_ *transferRun, s *memSource, _ *memSink) { s.Edit = func(x *transfer.Index) { x.Images = nil } },
			fromSender, transfer.KindBroken, "index"},
		{"index of a blob that was not put", func(_ *transferRun, s *memSource, _ *memSink) {
			s.Edit = func(x *transfer.Index) {
				layers := append([]ocispec.Descriptor(nil), x.Images[0].Layers...)
				layers[0].Digest = x.Images[0].ID[:len(x.Images[0].ID)-2] + "00"
				x.Images[0].Layers = layers
			}
		}, fromSender, transfer.KindEngine, "is missing from the export"},
		{"text of control characters", func(r *transferRun, _ *memSource, _ *memSink) {
			r.recvOpts.Accept = func(context.Context, *transfer.Offer) error {
				return &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("no\x1b[2J\r\n\u202eway\u009b"), Hint: "\x07beep"}
			}
		}, fromReceiver, transfer.KindRefused, "no"},
		{"very long text", func(r *transferRun, _ *memSource, _ *memSink) {
			r.recvOpts.Accept = func(context.Context, *transfer.Offer) error { return errors.New(strings.Repeat("\x01ä", 1<<20)) }
		}, fromReceiver, transfer.KindRefused, "ä"},
	} {
		t.Run(test.name, func(t *testing.T) {
			src, dst := newSource(newImage("a:1", false, text(1, 2*block), random(2, 999))), newSink()
			r := transferRun{src: src, dst: dst}
			test.set(&r, src, dst)
			r.do(t)
			wantErr(t, "sender", r.sendErr, test.kind, test.at == fromReceiver, test.text)
			wantErr(t, "receiver", r.recvErr, test.kind, test.at == fromSender, test.text)
			if dst.OnLoad == nil && dst.Tell == nil {
				wantNothing(t, dst)
			}
			if src.Closed != 1 || src.CloseErr == nil {
				t.Errorf("source was closed %d times with %v", src.Closed, src.CloseErr)
			}
			if r.sendTook > soon || r.recvTook > soon {
				t.Errorf("took %v and %v", r.sendTook, r.recvTook)
			}
			remote := r.sendErr
			if test.at == fromSender {
				remote = r.recvErr
			}
			var e *transfer.Error
			if errors.As(remote, &e) && strings.ContainsAny(e.Error()+e.Hint, "\x1b\r\n\x07\u202e\u009b\x01") {
				t.Errorf("control characters in %q", e.Error()+e.Hint)
			}
		})
	}
}

// A cancelled context ends both sides within seconds, whatever they wait for.
func TestInterrupt(t *testing.T) {
	checkLeaks(t)
	large := newImage("a:1", false, random(1, 60*block))
	for _, at := range []string{"accept", "plan", "export", "blob", "put", "full", "load"} {
		for _, dir := range []direction{fromSender, fromReceiver} {
			t.Run(fmt.Sprintf("%s/%c", at, dir), func(t *testing.T) {
				src, dst := newSource(large), newSink()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r := transferRun{src: src, dst: dst}
				if dir == fromSender {
					r.sendCtx = ctx
				} else {
					r.recvCtx = ctx
				}
				r.sendOpts.Progress = new(transfer.Progress)
				var start time.Time
				silent := func(ctx context.Context) error {
					start = time.Now()
					cancel()
					<-ctx.Done()
					return ctx.Err()
				}
				nth := func(n int) func(context.Context, int) error {
					return func(ctx context.Context, i int) error {
						if i == n {
							return silent(ctx)
						}
						return nil
					}
				}
				switch at {
				case "accept":
					r.recvOpts.Accept = func(ctx context.Context, _ *transfer.Offer) error { return silent(ctx) }
				case "plan":
					dst.OnPlan = silent
				case "export":
					src.OnExport = silent
				case "blob":
					src.OnBlob = nth(1)
				case "put":
					dst.OnPut = nth(1)
				case "full":
					// Not before the sender cannot send any more.
					dst.OnPut = func(ctx context.Context, i int) error {
						for i == 1 && r.sendOpts.Progress.Done.Load() < 16*block && ctx.Err() == nil {
							time.Sleep(time.Millisecond)
						}
						return nth(1)(ctx, i)
					}
				case "load":
					dst.OnLoad = silent
				}
				r.do(t)
				if d := time.Since(start); d > soon {
					t.Errorf("took %v", d)
				}
				wantErr(t, "sender", r.sendErr, transfer.KindInterrupted, dir == fromReceiver, "interrupted")
				wantErr(t, "receiver", r.recvErr, transfer.KindInterrupted, dir == fromSender, "interrupted")
				wantNothing(t, dst)
			})
		}
	}
}

// The error of a receiver reaches a sender that has no credit left, although nothing
// reads the frames that the sender has sent.
func TestFailureWhileFull(t *testing.T) {
	checkLeaks(t)
	src, dst := newSource(newImage("a:1", false, random(1, 60*block))), newSink()
	r := transferRun{src: src, dst: dst}
	r.sendOpts.Progress = new(transfer.Progress)
	dst.OnPut = func(ctx context.Context, _ int) error {
		for r.sendOpts.Progress.Done.Load() < 16*block && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		return engineError("disk full")
	}
	r.do(t)
	wantErr(t, "sender", r.sendErr, transfer.KindEngine, true, "disk full")
	wantErr(t, "receiver", r.recvErr, transfer.KindEngine, false, "disk full")
	wantNothing(t, dst)
}

func TestVersions(t *testing.T) {
	checkLeaks(t)
	newer := onHello(`"protocol":2`)
	for _, test := range []struct {
		name                       string
		sender, receiver           edit
		sendRemote, receiverRemote bool
	}{
		{"both see it", newer(), newer(), false, false},
		{"sender is newer", newer(), nil, true, false},
		{"receiver is newer", nil, newer(), false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newTap(t, test.sender, test.receiver)
			r := transferRun{src: newSource(newImage("a:1", false)), dst: newSink(), out: p.out, in: p.in}
			r.do(t)
			wantErr(t, "sender", r.sendErr, transfer.KindRefused, test.sendRemote, "version 2 of the protocol")
			wantErr(t, "sender", r.sendErr, transfer.KindRefused, test.sendRemote, "version 1")
			wantErr(t, "receiver", r.recvErr, transfer.KindRefused, test.receiverRemote, "version 2 of the protocol")
			wantErr(t, "receiver", r.recvErr, transfer.KindRefused, test.receiverRemote, "version 1")
		})
	}
}

func onHello(protocol string) func() edit {
	return func() edit { return onFirst(tHello, replaced(`"protocol":1`, protocol)) }
}

// A context that is cancelled before or during the hello ends it.
func TestInterruptedHello(t *testing.T) {
	checkLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, b := transfertest.TCP(t)
	go func() {
		// Its hello shows that it waits for the other side's.
		readWireFrame(b)
		cancel()
		b.Close()
	}()
	_, err := wire.NewSender(ctx, a, wire.Hello{}, wire.StreamOptions{})
	wantErr(t, "sender", err, transfer.KindInterrupted, false, "interrupted")
	c, d := transfertest.TCP(t)
	go func() {
		readWireFrame(d)
		d.Close()
	}()
	_, err = wire.NewReceiver(ctx, c, wire.Hello{}, wire.StreamOptions{})
	wantErr(t, "receiver", err, transfer.KindInterrupted, false, "interrupted")
}
