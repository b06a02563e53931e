package wire_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
)

// A cut is where a line ends: at the frame that comes after so many counted ones in
// one direction, of which some bytes still pass.
type cut struct {
	dir    direction
	frames int // counted ones that pass
	bytes  int // of the next one that pass
	silent bool
	ends   bool // the receiver reads the end of the stream
}

// counted reports whether a frame has a number: those that belong to a line have none.
func counted(t byte) bool { return t != tHello && t != tAlive && t != tResumed }

// A dialer is the side of a transfer that has dialed the other one.
type dialer bool

const (
	senderDials   dialer = false
	receiverDials dialer = true
)

func (d dialer) String() string {
	if d == receiverDials {
		return "receiver dials"
	}
	return "sender dials"
}

// eachDialer runs a test with the sender as the side that dials, and with the receiver.
func eachDialer(t *testing.T, test func(*testing.T, dialer)) {
	checkLeaks(t)
	for _, d := range []dialer{senderDials, receiverDials} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			test(t, d)
		})
	}
}

// lines are the streams of one transfer, one after the other, each with its cut.
type lines struct {
	t        testing.TB
	dialer   dialer
	cuts     []cut
	sessions wire.Sessions      // of the side that is dialed
	from     string             // who the other one is
	inOpts   wire.StreamOptions // of the side that is dialed

	mu     sync.Mutex
	made   int
	passed map[direction]int // counted frames that passed whole, on all lines
	sent   map[direction][]byte
	wg     sync.WaitGroup
	edits  map[direction]edit
	others []*wire.Receiver // of senders who have begun anew
}

func newLines(t testing.TB, cuts ...cut) *lines {
	return &lines{t: t, cuts: cuts, from: "sender", passed: map[direction]int{}, sent: map[direction][]byte{}}
}

// dialedBy says which side dials.
func (l *lines) dialedBy(d dialer) *lines {
	l.dialer = d
	return l
}

// A lostable connection can be lost. Linux reports a reset to one read or write only;
// what is read after that is the end of the stream.
type lostable struct {
	*net.TCPConn
	lost *atomic.Bool
}

func (c lostable) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if err == io.EOF && c.lost.Load() {
		err = syscall.ECONNRESET
	}
	return n, err
}

func (c lostable) Reset() error {
	c.lost.Store(true)
	_ = c.SetLinger(0)
	return c.Close()
}

// open makes another stream and returns both of its ends.
func (l *lines) open() (out, in lostable) {
	outer, a := transfertest.TCP(l.t)
	b, inner := transfertest.TCP(l.t)
	lost := new(atomic.Bool)
	out, in = lostable{outer, lost}, lostable{inner, lost}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := cut{}
	if l.made < len(l.cuts) {
		at = l.cuts[l.made]
	}
	l.made++
	silent := make(chan struct{})
	end := sync.OnceFunc(func() {
		switch {
		case at.silent:
			close(silent)
			return
		case at.ends:
			_ = b.CloseWrite()
			return
		}
		_ = lostable{a, lost}.Reset()
		_ = lostable{b, lost}.Reset()
	})
	l.wg.Add(2)
	go l.pass(fromSender, b, a, at, end, silent)
	go l.pass(fromReceiver, a, b, at, end, silent)
	return out, in
}

// pass passes frames on until the cut.
func (l *lines) pass(dir direction, w, r *net.TCPConn, at cut, end func(), silent chan struct{}) {
	defer l.wg.Done()
	br := bufio.NewReader(r)
	n := 0
	for {
		f, err := readWireFrame(br)
		if err == io.EOF {
			_ = w.CloseWrite()
			return
		}
		if err != nil {
			_ = w.Close()
			return
		}
		b := f.bytes()
		if e := l.edits[dir]; e != nil {
			b = e(f)
		}
		if counted(f.t) {
			if at.dir == dir && n == at.frames {
				_, _ = w.Write(b[:min(at.bytes, len(b)-1)])
				end()
			} else {
				l.mu.Lock()
				l.passed[dir]++
				l.sent[dir] = append(l.sent[dir], f.t)
				l.mu.Unlock()
			}
			n++
		}
		select {
		case <-silent:
			_, _ = io.Copy(io.Discard, br)
			_ = w.Close()
			return
		default:
		}
		if _, err := w.Write(b); err != nil {
			return
		}
	}
}

// redial opens another stream and has the program that is dialed accept it.
func (l *lines) redial(ctx context.Context) (wire.Stream, error) {
	out, in := l.open()
	if l.dialer == receiverDials {
		l.wg.Go(func() {
			snd, err := l.sessions.Send(ctx, out, l.from, wire.Hello{Program: "imgsend test"}, l.inOpts)
			if err == nil {
				_ = snd.Close(nil)
			}
		})
		return in, nil
	}
	l.wg.Go(func() {
		rcv, err := l.sessions.Receive(ctx, in, l.from, wire.Hello{Program: "imgrecv test"}, l.inOpts)
		if err == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.others = append(l.others, rcv)
		}
	})
	return out, nil
}

// A resumedRun copies over lines.
type resumedRun struct {
	*lines
	src              transfer.Source
	dst              transfer.Sink
	idle             time.Duration
	retry            time.Duration
	sendCtx, recvCtx context.Context
	want             wire.Request              // of a receiver that dials
	started          func(*wire.StreamOptions) // is given those of the side that dials
	recvDone         func()
	sendErr, recvErr error
	sendEnded        time.Time
	recvEnded        time.Time
	sendRep, recvRep *transfer.Report
	recvProgress     *transfer.Progress
	onLine           func(wire.LineEvent)
	impostor         string // who comes back, if it is not the sender
}

// ends returns how the side that dials and the other one have ended.
func (r *resumedRun) ends() (dials, waits error) {
	if r.dialer == receiverDials {
		return r.recvErr, r.sendErr
	}
	return r.sendErr, r.recvErr
}

func (r *resumedRun) do(t testing.TB) {
	t.Helper()
	if r.retry == 0 {
		r.retry = 10 * time.Second
	}
	out, in := r.open()
	for _, ctx := range []*context.Context{&r.sendCtx, &r.recvCtx} {
		if *ctx == nil {
			*ctx = t.Context()
		}
	}
	r.recvProgress = new(transfer.Progress)
	sendProgress := new(transfer.Progress)
	r.inOpts = wire.StreamOptions{Idle: r.idle, RetryFor: r.retry, Progress: r.recvProgress}
	outOpts := wire.StreamOptions{Idle: r.idle, RetryFor: r.retry, Redial: r.redial, Progress: sendProgress}
	if r.dialer == receiverDials {
		r.inOpts.Progress, outOpts.Progress = sendProgress, r.recvProgress
	}
	if r.started != nil {
		r.started(&outOpts)
	}
	from, opts := r.from, r.inOpts
	// The receiver's line is watched, whichever side dials.
	sendOpts, recvOpts := outOpts, opts
	if r.dialer == receiverDials {
		sendOpts, recvOpts = opts, outOpts
	}
	recvOpts.OnLine = r.onLine
	if r.impostor != "" {
		r.from = r.impostor
	}
	hangs := time.AfterFunc(2*time.Minute, func() { panic("the transfer hangs") })
	defer hangs.Stop()
	var both sync.WaitGroup
	both.Go(func() {
		defer func() { r.sendEnded = time.Now() }()
		var snd *wire.Sender
		if r.dialer == senderDials {
			snd, r.sendErr = wire.NewSender(r.sendCtx, out, wire.Hello{Program: "imgsend test"}, sendOpts)
		} else {
			snd, r.sendErr = r.sessions.Send(r.sendCtx, out, from, wire.Hello{Program: "imgsend test"}, sendOpts)
		}
		if r.sendErr == nil {
			r.sendRep, r.sendErr = transfer.Copy(r.sendCtx, r.src, snd, transfer.Options{})
		}
	})
	both.Go(func() {
		defer func() { r.recvEnded = time.Now() }()
		if r.recvDone != nil {
			defer r.recvDone()
		}
		var rcv *wire.Receiver
		if r.dialer == senderDials {
			rcv, r.recvErr = r.sessions.Receive(r.recvCtx, in, from, wire.Hello{Program: "imgrecv test"}, recvOpts)
		} else {
			rcv, r.recvErr = wire.NewFetcher(r.recvCtx, in, wire.Hello{Program: "imgrecv test"}, r.want, recvOpts)
		}
		if r.recvErr == nil {
			r.recvRep, r.recvErr = transfer.Copy(r.recvCtx, rcv, r.dst, transfer.Options{})
		}
	})
	both.Wait()
	r.wg.Wait()
}

// smallImage needs a few frames of each kind: two layers in three blocks.
func smallImage() *memImage {
	return newImage("a:1", false, random(1, block+100), random(2, 1000))
}

// wantArrived fails unless the image arrived once and both sides say so.
func (r *resumedRun) wantArrived(t testing.TB, src *memSource, dst *memSink) {
	t.Helper()
	if r.sendErr != nil || r.recvErr != nil {
		t.Fatalf("sender: %v, receiver: %v", r.sendErr, r.recvErr)
	}
	if r.sendRep.Images != 1 || r.recvRep.Images != 1 || len(dst.Images) != 1 {
		t.Fatalf("%d images sent, %d received, %d there", r.sendRep.Images, r.recvRep.Images, len(dst.Images))
	}
	if r.recvRep.Untold != nil {
		t.Errorf("untold: %v", r.recvRep.Untold)
	}
	if dst.Closed != 1 || dst.CloseErr != nil || src.Closed != 1 {
		t.Errorf("sink closed %d times with %v, source %d times", dst.Closed, dst.CloseErr, src.Closed)
	}
}

// TestResumeEverywhere cuts the line before, inside and after every counted frame of a
// transfer, in both directions, and the line that comes next at once again: the
// transfer does not notice, whichever side dials.
func TestResumeEverywhere(t *testing.T) { eachDialer(t, cutEverywhere) }

func cutEverywhere(t *testing.T, d dialer) {
	newRun := func(cuts ...cut) *resumedRun {
		return &resumedRun{lines: newLines(t, cuts...).dialedBy(d), src: newSource(smallImage()), dst: newSink()}
	}
	whole := newRun()
	whole.do(t)
	if whole.sendErr != nil || whole.passed[fromSender] < 14 || whole.passed[fromReceiver] < 5 {
		t.Fatalf("%v, %v frames", whole.sendErr, whole.passed)
	}
	again := []cut{{}, {dir: fromSender}, {dir: fromSender, frames: 1, bytes: 7}, {dir: fromReceiver, bytes: 3}, {dir: fromReceiver, frames: 1}}
	for _, dir := range []direction{fromSender, fromReceiver} {
		for frames := range whole.passed[dir] {
			for _, bytes := range []int{0, 6} {
				for _, next := range again {
					first := cut{dir: dir, frames: frames, bytes: bytes}
					r := newRun(first, next)
					r.do(t)
					// The last frame is a bye: nobody waits for that to come again.
					r.wantArrived(t, r.src.(*memSource), r.dst.(*memSink))
					if t.Failed() {
						t.Fatalf("first %+v, then %+v; %c", first, next, r.sent)
					}
				}
			}
		}
	}
}
