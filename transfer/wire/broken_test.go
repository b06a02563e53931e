package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// A conversation is what both sides of one transfer said.
type conversation struct{ sent, received []wireFrame }

// record copies m and returns what was said.
func record(t testing.TB, m *memImage) conversation {
	t.Helper()
	var c conversation
	note := func(list *[]wireFrame) edit {
		return func(f wireFrame) []byte {
			*list = append(*list, f)
			return f.bytes()
		}
	}
	p := newTap(t, note(&c.sent), note(&c.received))
	r := transferRun{src: newSource(m), dst: newSink(), out: p.out, in: p.in}
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Fatal(r.sendErr, r.recvErr)
	}
	p.cut()
	p.wg.Wait()
	return c
}

// A cutEdit passes on the first left bytes and then cuts the connection.
func cutEdit(left int, cut func()) edit {
	return func(f wireFrame) []byte {
		b := f.bytes()
		if f.t == tAlive {
			return b
		}
		if len(b) < left {
			left -= len(b)
			return b
		}
		b, left = b[:left], 0
		// The tap writes what is returned after this: so write it here.
		go cut()
		return b
	}
}

// A connection that ends at any byte is a failure on both sides. The sink commits
// nothing unless all frames were sent.
func TestCutAnywhere(t *testing.T) {
	checkLeaks(t)
	m := newImage("a:1", false, text(1, 3000), random(2, 500))
	c := record(t, m)
	for _, dir := range []direction{fromSender, fromReceiver} {
		frames, last := c.sent, byte(tEnd)
		if dir == fromReceiver {
			frames, last = c.received, tResult
		}
		var cuts []int
		at, done := 0, 0
		for _, f := range frames {
			n := len(f.bytes())
			cuts = append(cuts, at, at+1, at+5, at+5+len(f.body)/2)
			at += n
			if f.t == last {
				done = at
			}
		}
		for _, n := range cuts {
			if n >= done {
				continue // the verdict is out
			}
			cutAt(t, m, dir, n)
		}
	}
}

func cutAt(t *testing.T, m *memImage, dir direction, n int) {
	t.Helper()
	var p *tap
	var sender, receiver edit
	if e := cutEdit(n, func() { p.cut() }); dir == fromSender {
		sender = e
	} else {
		receiver = e
	}
	p = newTap(t, sender, receiver)
	dst := newSink()
	r := transferRun{src: newSource(m), dst: dst, out: p.out, in: p.in}
	r.do(t)
	if transfer.KindOf(r.sendErr) != transfer.KindBroken || r.sendErr == nil {
		t.Errorf("%c cut at %d: sender: %v", dir, n, r.sendErr)
	}
	if dir == fromSender {
		if r.recvErr == nil || transfer.KindOf(r.recvErr) != transfer.KindBroken {
			t.Errorf("%c cut at %d: receiver: %v", dir, n, r.recvErr)
		}
		if len(dst.Names) != 0 {
			t.Errorf("%c cut at %d: sink has names", dir, n)
		}
	}
}

// silent is a connection whose other end sends only the given bytes.
func silent(t *testing.T, say ...[]byte) *net.TCPConn {
	a, b := transfertest.TCP(t)
	go io.Copy(io.Discard, b)
	b.Write(bytes.Join(say, nil))
	t.Cleanup(func() { b.Close() })
	return a
}

// A side that receives nothing gives up, before and after the hello.
func TestSilence(t *testing.T) {
	checkLeaks(t)
	hello := wireFrame{tHello, []byte(`{"protocol":1,"program":"mute"}`)}.bytes()
	o := wire.StreamOptions{Idle: 100 * time.Millisecond}
	for name, say := range map[string][]byte{"nothing": nil, "hello": hello, "half a hello": hello[:9]} {
		t.Run("sender/"+name, func(t *testing.T) {
			t.Parallel()
			snd, err := wire.NewSender(t.Context(), silent(t, say), wire.Hello{}, o)
			if err == nil {
				_, err = transfer.Copy(t.Context(), newSource(newImage("a:1", false)), snd, transfer.Options{})
			}
			wantErr(t, "sender", err, transfer.KindBroken, false, "nothing heard from the other side for 100ms")
		})
		t.Run("receiver/"+name, func(t *testing.T) {
			t.Parallel()
			dst := newSink()
			rcv, err := wire.NewReceiver(t.Context(), silent(t, say), wire.Hello{}, o)
			if err == nil {
				_, err = transfer.Copy(t.Context(), rcv, dst, transfer.Options{})
				wantNothing(t, dst)
			}
			wantErr(t, "receiver", err, transfer.KindBroken, false, "nothing heard from the other side for 100ms")
		})
	}
}

// A connection that stops in the middle without being closed, as when a cable
// is pulled.
func TestStall(t *testing.T) {
	checkLeaks(t)
	for _, at := range []byte{tOffer, tBlob, tBlock, tEnd} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			stallAt(t, at)
		})
	}
}

func stallAt(t *testing.T, at byte) {
	stalled, release := make(chan struct{}), make(chan struct{})
	stop := func(wireFrame) []byte { close(stalled); <-release; return nil }
	back := func(f wireFrame) []byte {
		select {
		case <-stalled:
			<-release
		default:
		}
		return f.bytes()
	}
	p := newTap(t, onFirst(at, stop), back)
	dst := newSink()
	r := transferRun{src: newSource(newImage("a:1", false, text(1, 100))), dst: dst, out: p.out, in: p.in, idle: 200 * time.Millisecond}
	r.do(t)
	close(release)
	wantErr(t, "sender", r.sendErr, transfer.KindBroken, false, "nothing heard")
	wantErr(t, "receiver", r.recvErr, transfer.KindBroken, false, "nothing heard")
	wantNothing(t, dst)
}

// An engine may be silent for longer than the idle time, because its side sends alive
// frames. The same holds for a sender whose blocks are not consumed.
func TestSlowEngines(t *testing.T) {
	checkLeaks(t)
	const idle = time.Second
	wait := func(ctx context.Context) error {
		select {
		case <-time.After(idle * 5 / 4):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	src, dst := newSource(newImage("a:1", false, random(1, 40*block), random(2, 100))), newSink()
	src.OnExport = wait
	dst.OnPlan, dst.OnLoad = wait, wait
	dst.OnPut = func(ctx context.Context, n int) error {
		if n == 1 {
			return wait(ctx)
		}
		return nil
	}
	r := transferRun{src: src, dst: dst, idle: idle}
	r.recvOpts.Accept = func(ctx context.Context, _ *transfer.Offer) error { return wait(ctx) }
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Errorf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
	}
}
