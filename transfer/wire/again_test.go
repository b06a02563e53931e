package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// TestResumeSilent checks that both sides detect and report a line that falls silent in
// one direction without being closed.
func TestResumeSilent(t *testing.T) { eachDialer(t, testSilent) }

func testSilent(t *testing.T, d dialer) {
	for _, first := range []cut{{dir: fromSender, frames: 5, silent: true}, {dir: fromSender, frames: 5, bytes: 100, silent: true},
		{dir: fromReceiver, frames: 2, silent: true}, {dir: fromSender, frames: 11, silent: true}} {
		t.Run(fmt.Sprintf("%c%d+%d", first.dir, first.frames, first.bytes), func(t *testing.T) {
			src, dst := newSource(smallImage()), newSink()
			r := &resumedRun{lines: newLines(t, first).dialedBy(d), src: src, dst: dst, idle: 1500 * time.Millisecond}
			var events []wire.LineEvent
			r.onLine = func(e wire.LineEvent) {
				events = append(events, e)
				if lost := e.Err != nil; lost == r.recvProgress.Lost().IsZero() {
					t.Errorf("lost %v, and progress says since %v", lost, r.recvProgress.Lost())
				}
			}
			r.do(t)
			r.wantArrived(t, src, dst)
			// On a busy machine a side may take a working line for lost.
			last := len(events) - 1
			if last < 1 || events[0].Err == nil || events[last].Err != nil || events[last].For <= 0 {
				t.Errorf("events %+v", events)
			}
		})
	}
}

// TestResumeOnce checks that only frames in flight are sent twice.
func TestResumeOnce(t *testing.T) {
	checkLeaks(t)
	m := newImage("a:1", false, random(1, 40*block))
	src, dst := newSource(m), newSink()
	r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 30}, cut{dir: fromSender, frames: 9}), src: src, dst: dst}
	r.do(t)
	r.wantArrived(t, src, dst)
	blocks := 0
	for _, f := range r.sent[fromSender] {
		if f == tBlock {
			blocks++
		}
	}
	// The receiver never asks for more than 16 frames ahead.
	if least := 41; blocks < least || blocks > least+2*16 {
		t.Errorf("%d blocks have passed, not %d and a few more", blocks, least)
	}
}

// TestResumeRefused resumes as another peer, or with an unknown session.
func TestResumeRefused(t *testing.T) { eachDialer(t, testRefused) }

func testRefused(t *testing.T, d dialer) {
	for name, change := range map[string]func(*resumedRun, *wire.StreamOptions){
		"other peer": func(r *resumedRun, _ *wire.StreamOptions) { r.impostor = "somebody else" },
		"other way round": func(r *resumedRun, o *wire.StreamOptions) {
			o.Redial = func(ctx context.Context) (wire.Stream, error) {
				out, in := r.open()
				if d == receiverDials {
					r.wg.Go(func() { _, _ = r.sessions.Receive(ctx, out, r.from, wire.Hello{}, r.inOpts) })
					return in, nil
				}
				r.wg.Go(func() { _, _ = r.sessions.Send(ctx, in, r.from, wire.Hello{}, r.inOpts) })
				return out, nil
			}
		},
		"elsewhere": func(r *resumedRun, o *wire.StreamOptions) {
			other := new(wire.Sessions)
			o.Redial = func(ctx context.Context) (wire.Stream, error) {
				out, in := r.open()
				if d == receiverDials {
					r.wg.Go(func() { _, _ = other.Send(ctx, out, r.from, wire.Hello{}, r.inOpts) })
					return in, nil
				}
				r.wg.Go(func() { _, _ = other.Receive(ctx, in, r.from, wire.Hello{}, r.inOpts) })
				return out, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			src, dst := newSource(smallImage()), newSink()
			r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5}).dialedBy(d), src: src, dst: dst, retry: 3 * time.Second}
			r.started = func(o *wire.StreamOptions) { change(r, o) }
			r.do(t)
			dials, waits := r.ends()
			wantErr(t, "who dials", dials, transfer.KindBroken, true, "has ended here")
			if !errors.Is(dials, wire.ErrEnded) {
				t.Errorf("who dials does not know that it has ended there: %v", dials)
			}
			wantErr(t, "who waits", waits, transfer.KindBroken, false, "no connection for")
			wantNothing(t, dst)
		})
	}
}

// TestResumeRedial checks which errors of Redial end a transfer and which are retried.
func TestResumeRedial(t *testing.T) { eachDialer(t, testRedial) }

func testRedial(t *testing.T, d dialer) {
	refused := &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("forgotten")}
	for _, test := range []struct {
		fails error
		times int
		kind  transfer.Kind // empty: it goes on
		text  string
	}{
		{errors.New("no route to host"), 2, "", ""},
		{errors.New("no route to host"), 1000, transfer.KindBroken, "no route to host"},
		{refused, 1000, transfer.KindRefused, "forgotten"},
	} {
		t.Run(fmt.Sprintf("%v, %d", test.fails, test.times), func(t *testing.T) {
			src, dst := newSource(smallImage()), newSink()
			r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5}).dialedBy(d), src: src, dst: dst, retry: 6 * time.Second}
			n := 0
			r.started = func(o *wire.StreamOptions) {
				redial := o.Redial
				o.Redial = func(ctx context.Context) (wire.Stream, error) {
					if n++; n <= test.times {
						return nil, test.fails
					}
					return redial(ctx)
				}
			}
			r.do(t)
			if test.kind == "" {
				r.wantArrived(t, src, dst)
				return
			}
			dials, waits := r.ends()
			wantErr(t, "who dials", dials, test.kind, false, test.text)
			wantErr(t, "who waits", waits, transfer.KindBroken, false, "no connection for")
			wantNothing(t, dst)
		})
	}
}

// TestResumeInterrupted interrupts either side while the line is lost. That side ends at
// once, the other one after its retry time.
func TestResumeInterrupted(t *testing.T) { eachDialer(t, testInterrupted) }

func testInterrupted(t *testing.T, d dialer) {
	for _, side := range []direction{fromSender, fromReceiver} {
		t.Run(string(rune(side)), func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			src, dst := newSource(smallImage()), newSink()
			r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5}).dialedBy(d), src: src, dst: dst, retry: 8 * time.Second}
			r.started = func(o *wire.StreamOptions) {
				o.Redial = func(context.Context) (wire.Stream, error) { return nil, errors.New("no route to host") }
			}
			var at time.Time
			r.onLine = func(e wire.LineEvent) {
				if e.Err != nil {
					at = time.Now()
					interrupt()
				}
			}
			if side == fromSender {
				r.sendCtx = ctx
			} else {
				r.recvCtx = ctx
			}
			r.do(t)
			ended, err, other := r.sendEnded, r.sendErr, r.recvErr
			if side == fromReceiver {
				ended, err, other = r.recvEnded, r.recvErr, r.sendErr
			}
			if took := ended.Sub(at); took > 4*time.Second {
				t.Errorf("ended %v after the interrupt", took)
			}
			wantErr(t, "interrupted side", err, transfer.KindInterrupted, false, "interrupted")
			wantErr(t, "other side", other, transfer.KindBroken, false, "no connection for")
			wantNothing(t, dst)
		})
	}
}

// TestResumeGoodbye ends the side that dialed while the line is lost, and lets its last
// dial succeed. The other side receives the error and does not wait.
func TestResumeGoodbye(t *testing.T) {
	checkLeaks(t)
	ctx, interrupt := context.WithCancel(t.Context())
	src, dst := newSource(smallImage()), newSink()
	r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5}), src: src, dst: dst, sendCtx: ctx}
	r.started = func(o *wire.StreamOptions) {
		redial := o.Redial
		o.Redial = func(dial context.Context) (wire.Stream, error) {
			if ctx.Err() == nil {
				interrupt()
				return nil, errors.New("no route to host")
			}
			return redial(dial)
		}
	}
	r.do(t)
	wantErr(t, "sender", r.sendErr, transfer.KindInterrupted, false, "interrupted")
	wantErr(t, "receiver", r.recvErr, transfer.KindInterrupted, true, "interrupted")
	wantNothing(t, dst)
}

// TestResumeEngine makes the sink fail while the line is lost. The receiver returns that
// error, and the sender learns that the transfer has ended.
func TestResumeEngine(t *testing.T) {
	checkLeaks(t)
	src, dst := newSource(smallImage()), newSink()
	r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5}), src: src, dst: dst}
	lost, failed := make(chan struct{}), make(chan struct{})
	r.started = func(o *wire.StreamOptions) {
		redial := o.Redial
		o.Redial = func(ctx context.Context) (wire.Stream, error) {
			<-failed
			return redial(ctx)
		}
	}
	dst.OnPut = func(context.Context, int) error {
		<-lost
		return engineError("disk full")
	}
	r.onLine = func(e wire.LineEvent) {
		if e.Err != nil {
			close(lost)
		}
	}
	r.recvDone = func() { close(failed) }
	r.do(t)
	wantErr(t, "sender", r.sendErr, transfer.KindBroken, true, "has ended here")
	wantErr(t, "receiver", r.recvErr, transfer.KindEngine, false, "disk full")
	wantNothing(t, dst)
}

// TestResumeGone breaks the line when the other program has ended. Neither side waits for
// its whole retry time.
func TestResumeGone(t *testing.T) { eachDialer(t, testGone) }

func testGone(t *testing.T, d dialer) {
	src, dst := newSource(smallImage()), newSink()
	r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5}).dialedBy(d), src: src, dst: dst, retry: 10 * time.Minute}
	r.started = func(o *wire.StreamOptions) {
		*o, r.inOpts = wire.WithTimes(*o, time.Second, time.Minute), wire.WithTimes(r.inOpts, time.Second, time.Minute)
		o.Redial = func(context.Context) (wire.Stream, error) {
			return nil, fmt.Errorf("%w: connection refused", wire.ErrTurnedAway)
		}
	}
	var said time.Duration
	r.onLine = func(e wire.LineEvent) { said = e.For }
	r.do(t)
	dials, waits := r.ends()
	wantErr(t, "who dials", dials, transfer.KindBroken, false, "turned away: connection refused")
	wantErr(t, "who waits", waits, transfer.KindBroken, false, "no connection for 1s")
	want := time.Second
	if d == receiverDials {
		want = r.retry // it dials, and cannot tell that the other program has ended
	}
	if said != want {
		t.Errorf("the receiver says that it waits for %v, not %v", said, want)
	}
	wantNothing(t, dst)
}

// TestResumeSlowHandshake lets the retry time end during a handshake. The error must not
// say that the transfer was interrupted.
func TestResumeSlowHandshake(t *testing.T) {
	checkLeaks(t)
	src, dst := newSource(smallImage()), newSink()
	r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5}), src: src, dst: dst, retry: time.Second}
	var mute []*net.TCPConn
	r.started = func(o *wire.StreamOptions) {
		o.Redial = func(context.Context) (wire.Stream, error) {
			out, in := transfertest.TCP(t)
			mute = append(mute, in)
			return lostable{out, new(atomic.Bool)}, nil
		}
	}
	r.do(t)
	wantErr(t, "sender", r.sendErr, transfer.KindBroken, false, "no connection for 1s")
	wantErr(t, "receiver", r.recvErr, transfer.KindBroken, false, "no connection for")
	for _, c := range mute {
		c.Close()
	}
}

// TestResumeItself has a sender name the session of its own new connection. The receiver
// must not resume that.
func TestResumeItself(t *testing.T) {
	checkLeaks(t)
	near, far := transfertest.TCP(t)
	ended := make(chan error, 1)
	go func() {
		_, err := new(wire.Sessions).Receive(t.Context(), far, "sender", wire.Hello{}, wire.StreamOptions{RetryFor: time.Minute})
		ended <- err
	}()
	hello, err := readWireFrame(near)
	if err != nil {
		t.Fatal(err)
	}
	said := wireFrame{tHello, []byte(`{"protocol":1,"features":["resume"],"session":"` + string(sessionOf(hello)) + `","retry":60}`)}
	if _, err := near.Write(said.bytes()); err != nil {
		t.Fatal(err)
	}
	for f := hello; f.t != tError; {
		if f, err = readWireFrame(near); err != nil {
			t.Fatal(err)
		}
	}
	near.Close()
	wantErr(t, "receiver", <-ended, transfer.KindBroken, false, "has ended here")
}

// TestResumeEnded has the other side close the stream without an error or bye. This side
// must not wait for it.
func TestResumeEnded(t *testing.T) {
	checkLeaks(t)
	src, dst := newSource(smallImage()), newSink()
	r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5, ends: true}), src: src, dst: dst, retry: 10 * time.Minute}
	r.started = func(o *wire.StreamOptions) {
		o.Redial = func(context.Context) (wire.Stream, error) {
			return nil, &transfer.Error{Kind: transfer.KindOther, Err: net.ErrClosed}
		}
	}
	r.do(t)
	wantErr(t, "receiver", r.recvErr, transfer.KindBroken, false, "closed the connection without a word")
	wantNothing(t, dst)
}

// TestResumeAnew has a sender whose line is lost begin another transfer. The receiver
// then waits for the first one for a shorter time.
func TestResumeAnew(t *testing.T) {
	checkLeaks(t)
	src, dst := newSource(smallImage()), newSink()
	r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5}), src: src, dst: dst, retry: 25 * time.Second}
	var second sync.WaitGroup
	r.started = func(o *wire.StreamOptions) {
		r.inOpts = wire.WithTimes(r.inOpts, 20*time.Second, 100*time.Millisecond)
		redial := o.Redial
		o.Redial = func(context.Context) (wire.Stream, error) {
			return nil, &transfer.Error{Kind: transfer.KindInterrupted, Err: errors.New("killed")}
		}
		r.onLine = func(e wire.LineEvent) {
			if e.Err == nil {
				return
			}
			second.Go(func() {
				out, _ := redial(t.Context())
				snd, err := wire.NewSender(t.Context(), out, wire.Hello{}, wire.StreamOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				_ = snd.Close(nil)
			})
		}
	}
	start := time.Now()
	r.do(t)
	second.Wait()
	wantErr(t, "receiver", r.recvErr, transfer.KindBroken, false, "no connection for")
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, rcv := range r.others {
		_ = rcv.Close(nil)
	}
}

// TestResumeLies has either side acknowledge frames that it cannot have received.
func TestResumeLies(t *testing.T) {
	checkLeaks(t)
	for name, test := range map[string]struct {
		sender, receiver edit
		text             string
	}{
		"credit":   {nil, onFirst(tCredit, body(func(b []byte) []byte { return append(b[:len(b)-1], 99) })), "99 frames are confirmed"},
		"resumed":  {nil, onEach(tResumed, `"received":`, `"received":99`), "frames are confirmed"},
		"too few":  {nil, onEach(tResumed, `"received":`, `"received":0,"x":`), "frames are confirmed after"},
		"too many": {onEach(tHello, `"received":`, `"received":99`), nil, "frames are confirmed"},
	} {
		t.Run(name, func(t *testing.T) {
			src, dst := newSource(newImage("a:1", false, random(1, 30*block))), newSink()
			r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 25}), src: src, dst: dst, idle: time.Second, retry: time.Second}
			r.edits = map[direction]edit{fromSender: test.sender, fromReceiver: test.receiver}
			r.do(t)
			if r.sendErr == nil || r.recvErr == nil {
				t.Fatalf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
			}
			if !strings.Contains(r.sendErr.Error()+r.recvErr.Error(), test.text) {
				t.Errorf("sender: %v, receiver: %v; want %q", r.sendErr, r.recvErr, test.text)
			}
			wantNothing(t, dst)
		})
	}
}

// onEach returns an edit that replaces old, once, by new in the body of each frame of type ft.
func onEach(ft byte, old, new string) edit {
	return func(f wireFrame) []byte {
		if f.t == ft {
			f.body = []byte(strings.Replace(string(f.body), old, new, 1))
		}
		return f.bytes()
	}
}

// TestResumeOff has one side without the resume feature, as an older version. A broken
// line then ends the transfer at once.
func TestResumeOff(t *testing.T) {
	checkLeaks(t)
	for _, side := range []direction{fromSender, fromReceiver} {
		t.Run(string(rune(side)), func(t *testing.T) {
			src, dst := newSource(smallImage()), newSink()
			r := &resumedRun{lines: newLines(t, cut{dir: fromSender, frames: 5}), src: src, dst: dst}
			r.started = func(o *wire.StreamOptions) {
				if side == fromSender {
					o.RetryFor = 0
				} else {
					r.inOpts.RetryFor = 0
				}
			}
			start := time.Now()
			r.do(t)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			wantErr(t, "sender", r.sendErr, transfer.KindBroken, false, "")
			wantErr(t, "receiver", r.recvErr, transfer.KindBroken, false, "")
			wantNothing(t, dst)
			if r.made != 1 {
				t.Errorf("%d lines", r.made)
			}
		})
	}
}
