package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// A Stream is the byte stream that a [Sender] and a [Receiver] talk over. It
// must be encrypted and authenticated by whoever made it. Its Read returns io.EOF only
// if the other side has ended the stream by itself: where the connection is lost, it
// is another error.
type Stream interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// StreamOptions are the settings of one end of a stream. The zero value is
// ready to use.
type StreamOptions struct {
	Compression Compression        // of a Sender; default CompressAuto
	Blocks      *BlockCache        // of Senders that send the same blobs; nil: each compresses by itself
	Idle        time.Duration      // the other side is given up after this silence; default 30 s
	Progress    *transfer.Progress // counts the bytes on the wire, if not nil

	// RetryFor is how long this side goes on when its stream breaks, until there is
	// another one; 0 or less: it does not. At the end that has dialed, Redial makes that.
	// An error of Redial that is a [transfer.Error] ends the transfer, after any other it is
	// called again. The other end, which is one of [Sessions], waits for it.
	RetryFor time.Duration
	Redial   func(context.Context) (Stream, error)
	// OnLine is told when a stream has broken and when there is another, on a
	// goroutine of this package, which waits for it.
	OnLine func(LineEvent)
	// Queue, if not nil, says why this side has the other one wait, while Progress is
	// [transfer.Queued]. It is called on a goroutine of this package.
	Queue func() Queue

	graces graces // zero: the default ones
}

const (
	defaultIdle = 30 * time.Second
	aliveEvery  = 2 * time.Second // and never less often than idle/4
	lingerTime  = 2 * time.Second // to tell the other side why it is over
	maxWorkers  = 4               // for coding; each may hold some megabytes
)

// errClosed ends what is still under way when an end of a stream is closed.
var errClosed error = &transfer.Error{Kind: transfer.KindBroken, Err: errors.New("the connection has ended")}

func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// life is how far a conn has come. It only grows.
//
//	state     entered by                  what is read                what is written
//	greeting  newConn                     the hello                   the hello
//	open      hello                       frames                      frames
//	failed    fail: err says why          nothing but to drain        what is under way, and an error
//	parting   farewell: all is said       frames or drain             nothing
//	closed    shut                        nothing                     nothing
//
// An end that has not failed skips failed; one whose hello failed skips open.
// Failed (the channel) is closed on entering failed, or else closed.
//
// While a conn that resumes is open, its line may break: then it has none until the
// reading goroutine has got another one (see relink), and nothing is read or
// written. The other states end that.
type life int

const (
	greeting life = iota
	open
	failed
	parting
	closed
)

// A conn is what both ends of a stream have in common: whole frames out, one
// reading goroutine that never stops reading, so that it notices at once when
// the other side fails or falls silent, and a goroutine that says that this
// side is alive.
//
// That the other side is alive is judged here: it must be heard within patience.
// Whether it makes progress is judged by [transfer.Copy], from Moved, Waiting and
// Lost.
type conn struct {
	r        *bufio.Reader // of the line; the reading goroutine's
	heard    time.Time     // when a byte last came; the reading goroutine's
	idle     time.Duration
	progress *transfer.Progress
	queue    func() Queue
	loads    bool     // this side loads images, and says how far it is; else the other one
	features []string // what both sides know
	resume   resume
	guest    *guest // the other side, if it has dialed; nil: this one has

	pen chan struct{} // holds one while nobody writes and there is a line

	mu       sync.Mutex // guards what follows, and the line's read deadline
	line     *line      // nil while it is lost
	life     life
	err      error // why it failed; errClosed if it did not
	draining bool  // the reading goroutine waits for the end of the stream only

	failed  chan struct{} // closed when err is set
	drained chan struct{} // closed when the other side has ended the stream
	wg      sync.WaitGroup
	peer    Hello
	moved   movement
	said    atomic.Pointer[alive] // the other side's last sign of life
	bufs    bufPool               // for blocks, in or out
}

func newConn(s Stream, o StreamOptions) *conn {
	c := &conn{idle: o.Idle, progress: o.Progress, queue: o.Queue, pen: make(chan struct{}, 1),
		failed: make(chan struct{}), drained: make(chan struct{})}
	c.pen <- struct{}{}
	if c.idle <= 0 {
		c.idle = defaultIdle
	}
	c.resume.init(o, &c.bufs)
	c.line = newLine(s, c)
	c.r = c.line.r
	return c
}

// enter moves the conn on to a later state. It reports false if that or a later
// one was entered before.
func (c *conn) enter(to life) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life >= to {
		return false
	}
	c.life = to
	if to > open {
		c.resume.end()
	}
	if to == closed {
		c.endReads()
	}
	return true
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// endReads ends the read that is under way. Those that follow fail if they do
// not drain.
func (c *conn) endReads() {
	if c.line != nil {
		_ = c.line.SetReadDeadline(past)
	}
}

// hurry gives what is written until then. c.mu is not held.
func (c *conn) hurry(until time.Time) {
	if l := c.current(); l != nil {
		_ = l.SetWriteDeadline(until)
	}
}

// current returns the line, or nil while it is lost.
func (c *conn) current() *line {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.line
}

// patience is how long a line may be silent: less where another one can take its
// place.
func (c *conn) patience() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.draining:
		return lingerTime
	case c.resume.on:
		return min(c.idle, lostAfter)
	}
	return c.idle
}

// setPatience sets the deadline of the next read of a line, if one may follow.
func (c *conn) setPatience(l *line, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.life == closed || c.err != nil && !c.draining:
		return errClosed
	case l.broken && c.resume.on:
		return errLineDown
	}
	return l.SetReadDeadline(time.Now().Add(d))
}

// Failed is closed when the stream or the other side has failed; Err says how.
func (c *conn) Failed() <-chan struct{} { return c.failed }

// Err returns why the stream failed, once Failed is closed.
func (c *conn) Err() error {
	select {
	case <-c.failed:
		return c.err
	default:
		return nil
	}
}

// fail ends the stream's use; the first error counts. What is being written has
// a last moment to get out.
func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	c.life = max(c.life, failed)
	close(c.failed)
	c.resume.end()
	if !c.draining {
		c.endReads()
	}
	if c.line != nil {
		_ = c.line.SetWriteDeadline(time.Now().Add(lingerTime))
	}
}

// live reports whether frames of the other side are still of interest.
func (c *conn) live() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life < failed
}

// Peer returns the other side's hello.
func (c *conn) Peer() Hello { return c.peer }

// PeerPhase returns what the other side last said that it does: the name of a
// [transfer.Phase], or whatever it claims; empty if it has not said anything yet.
func (c *conn) PeerPhase() string {
	if a := c.said.Load(); a != nil {
		return a.Phase
	}
	return ""
}

// write sends one whole frame. The other side always reads, so that only a dead or
// hostile one can block it; the end of ctx and fail bound for how long. Where the
// line can be replaced by another one it waits for that, and a frame that a line
// cut short goes out again with the next.
func (c *conn) write(ctx context.Context, frame []byte) error { return c.send(ctx, frame, nil, nil) }

// send writes a frame that stands in buf, if that is not nil. It puts buf back into
// the pool when the frame cannot be needed again, also if it fails. wrote is that of
// [line.write].
func (c *conn) send(ctx context.Context, frame, buf []byte, wrote func(n int)) error {
	stop := context.AfterFunc(ctx, func() { c.hurry(time.Now().Add(lingerTime)) })
	defer stop()
	err := c.writeWhole(ctx, frame, buf, wrote)
	if err == nil || errors.Is(err, errClosed) || c.resume.on {
		return err
	}
	// The reading goroutine may be about to learn the better reason: the other
	// side says why before it closes.
	select {
	case <-c.failed:
	case <-c.drained:
	case <-time.After(lingerTime):
	}
	c.fail(streamError("write", err))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.err
}

func (c *conn) writeWhole(ctx context.Context, frame, buf []byte, wrote func(n int)) error {
	if err := c.takePen(ctx); err != nil {
		c.bufs.put(buf)
		return err
	}
	defer func() { c.pen <- struct{}{} }()
	l := c.current()
	counted := frameType(frame[0]).counted()
	switch {
	case l == nil || !c.resume.on && c.isBroken(l):
		c.bufs.put(buf)
		return errClosed
	case c.resume.on && counted:
		if err := c.resume.sent.add(frame, buf); err != nil {
			c.bufs.put(buf)
			c.fail(err)
			return err
		}
		return c.put(ctx, l, frame, wrote)
	}
	defer c.bufs.put(buf)
	if c.isBroken(l) { // a frame that belongs to it is of no use any more
		return nil
	}
	err := l.write(frame, wrote)
	if err != nil {
		c.leave(l)
	}
	if c.resume.on {
		return ctx.Err()
	}
	return err
}

// isBroken reports whether nothing can be written to a line any more.
func (c *conn) isBroken(l *line) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.broken
}

// takePen waits until nobody else writes, and there is a line.
func (c *conn) takePen(ctx context.Context) error {
	select {
	case <-c.pen:
		return nil
	default:
	}
	select {
	case <-c.pen:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// put writes a frame of the history. If the line breaks the reading goroutine sees
// to the rest.
func (c *conn) put(ctx context.Context, l *line, frame []byte, wrote func(n int)) error {
	if c.isBroken(l) {
		return nil
	}
	if err := l.write(frame, wrote); err != nil {
		c.leave(l)
		return ctx.Err()
	}
	c.resume.sent.wrote()
	return nil
}

// writeJSON sends one control frame.
func (c *conn) writeJSON(ctx context.Context, t frameType, v any) error {
	b, err := marshalFrame(t, v)
	if err != nil {
		return err
	}
	return c.write(ctx, b)
}

// header reads the next frame's header. Signs of life are not returned; an
// error frame is returned as the error it is.
func (c *conn) header() (frameType, int, error) {
	for {
		t, n, err := readHeader(c.r)
		if err != nil {
			return 0, 0, c.readError(err)
		}
		switch t {
		case frameAlive:
			a := new(alive)
			if err = c.json(t, n, a); err == nil {
				err = c.heardAlive(a)
			}
		case frameError:
			var f failure
			if err = c.json(t, n, &f); err == nil {
				err = f.err()
			}
		default:
			return t, n, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// heardAlive notes what the other side says of itself.
func (c *conn) heardAlive(a *alive) error {
	if !c.loads {
		if err := a.validate(); err != nil {
			return err
		}
	}
	a.Phase = clip(transfer.Printable(a.Phase), 40)
	c.said.Store(a)
	if !c.loads && c.progress != nil {
		c.progress.SetLoaded(a.Layers, a.Of, a.Loaded)
	}
	return c.acked(a.Frames)
}

// json reads a payload of n bytes into v.
func (c *conn) json(t frameType, n int, v any) error {
	b := make([]byte, n)
	if err := c.payload(t, b); err != nil {
		return err
	}
	err := unmarshalJSON(b, v)
	var limit errLimit
	switch {
	case err == nil:
		return nil
	case t == frameOffer && errors.As(err, &limit): // nothing is wrong with it otherwise
		return refused(fmt.Errorf("offer with a %w", err))
	}
	return transfer.Broken("control frame: %w", err)
}

// payload fills b with the payload of a frame of type t.
func (c *conn) payload(t frameType, b []byte) error {
	var r io.Reader = c.r
	if t.content() {
		r = contentReader{c}
	}
	if err := readPayload(r, b); err != nil {
		return c.readError(err)
	}
	return nil
}

// beat says every so often that this side is alive.
func (c *conn) beat() {
	defer c.wg.Done()
	tick := time.NewTicker(max(min(aliveEvery, c.idle/4), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if c.writeJSON(context.Background(), frameAlive, c.sign()) != nil {
				return
			}
		case <-c.failed:
			return
		}
	}
}

// sign returns what this side says of itself.
func (c *conn) sign() alive {
	a := alive{Received: c.moved.received.Load(), Frames: c.resume.got.Load()}
	if c.progress != nil {
		phase := c.progress.Phase()
		a.Phase = phase.String()
		if phase == transfer.Queued && c.queue != nil {
			q := c.queue()
			a.Queue = &q
		}
	}
	if c.loads && c.progress != nil {
		l := c.progress.Loaded()
		a.Layers, a.Of, a.Loaded = l.Layers, l.Of, l.Bytes
	}
	return a
}
