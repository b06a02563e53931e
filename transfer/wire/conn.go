package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// A Stream is the byte stream that a [Sender] and a [Receiver] talk over. It
// must be encrypted and authenticated by whoever made it.
type Stream interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// StreamOptions are the settings of one end of a stream. The zero value is
// ready to use.
type StreamOptions struct {
	Compression Compression        // of a Sender; default CompressAuto
	Idle        time.Duration      // the other side is given up after this silence; default 30 s
	Progress    *transfer.Progress // counts the bytes on the wire, if not nil
}

const (
	defaultIdle = 30 * time.Second
	aliveEvery  = 2 * time.Second // and never less often than idle/4
	lingerTime  = 2 * time.Second // to tell the other side why it is over
	maxWorkers  = 4               // for coding; each may hold some megabytes
)

// errClosed ends what is still under way when an end of a stream is closed.
var errClosed = errors.New("stream closed")

func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// life is how far a conn has come. It only grows.
//
//	state     entered by                  what is read                what is written
//	greeting  newConn                     the hello                   the hello
//	open      hello                       frames, each within idle    frames
//	failed    fail: err says why          nothing but to drain        what is under way, and an error
//	parting   farewell: all is said       frames or drain             nothing
//	closed    shut                        nothing                     nothing
//
// An end that has not failed skips failed; one whose hello failed skips open.
// Failed (the channel) is closed on entering failed, or else closed.
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
// That the other side is alive is judged here: it must be heard within idle.
// Whether it makes progress is judged by [transfer.Copy], from Moved and Waiting.
type conn struct {
	s        Stream
	r        *bufio.Reader
	idle     time.Duration
	progress *transfer.Progress
	features []string // what both sides know

	pen chan struct{} // holds one while nobody writes
	cut bool          // a frame was cut short: nothing can follow it; whoever has the pen

	mu       sync.Mutex // guards what follows, and the stream's read deadline
	life     life
	err      error // why it failed; errClosed if it did not
	draining bool  // the reading goroutine waits for the end of the stream only

	failed  chan struct{} // closed when err is set
	drained chan struct{} // closed when the other side has ended the stream
	wg      sync.WaitGroup
	peer    Hello
	moved   movement
	said    atomic.Pointer[alive] // the other side's last sign of life
}

func newConn(s Stream, o StreamOptions) *conn {
	c := &conn{s: s, idle: o.Idle, progress: o.Progress, pen: make(chan struct{}, 1),
		failed: make(chan struct{}), drained: make(chan struct{})}
	c.pen <- struct{}{}
	if c.idle <= 0 {
		c.idle = defaultIdle
	}
	c.r = bufio.NewReaderSize(timedReader{c}, 64<<10)
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
	if to == closed {
		c.endReads()
	}
	return true
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// endReads ends the read that is under way. Those that follow fail if they do
// not drain.
func (c *conn) endReads() { _ = c.s.SetReadDeadline(past) }

// A timedReader reads the stream, giving up after a time without a byte: the
// conn's idle, or lingerTime where it only waits for the end.
type timedReader struct{ c *conn }

func (t timedReader) Read(b []byte) (int, error) {
	patience := t.c.patience()
	grace := patience / 4
	n, err := t.read(b, patience-grace)
	if n == 0 && isTimeout(err) {
		// The time may have passed because this host slept: then what was said
		// meanwhile is there now.
		n, err = t.read(b, grace)
	}
	return n, err
}

func (t timedReader) read(b []byte, patience time.Duration) (int, error) {
	c := t.c
	if err := c.setPatience(patience); err != nil {
		return 0, err
	}
	n, err := c.s.Read(b)
	if c.progress != nil {
		c.progress.Wire.Add(int64(n))
	}
	return n, err
}

func (c *conn) patience() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return lingerTime
	}
	return c.idle
}

// setPatience sets the deadline of the next read, if one may follow.
func (c *conn) setPatience(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == closed || c.err != nil && !c.draining {
		return errClosed
	}
	return c.s.SetReadDeadline(time.Now().Add(d))
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
	if !c.draining {
		c.endReads()
	}
	_ = c.s.SetWriteDeadline(time.Now().Add(lingerTime))
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

// write sends one whole frame, or several. The other side always reads, so
// that only a dead or hostile one can block it; the end of ctx and fail bound
// for how long.
func (c *conn) write(ctx context.Context, frame []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = c.s.SetWriteDeadline(time.Now().Add(lingerTime)) })
	defer stop()
	err := c.writeWhole(frame)
	if err == nil || errors.Is(err, errClosed) {
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

// writePiece is how much goes to the stream at once, so that a slow one shows
// that it moves.
const writePiece = 64 << 10

func (c *conn) writeWhole(frame []byte) error {
	<-c.pen
	defer func() { c.pen <- struct{}{} }()
	if c.cut {
		return errClosed
	}
	content := frameType(frame[0]).content()
	for len(frame) > 0 {
		n, err := c.s.Write(frame[:min(len(frame), writePiece)])
		if c.progress != nil {
			c.progress.Wire.Add(int64(n))
		}
		if content {
			c.moved.sent.Add(int64(n))
		}
		if err != nil {
			c.cut = true
			return err
		}
		frame = frame[n:]
	}
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

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func streamError(op string, err error) error {
	var e *transfer.Error
	switch {
	case errors.As(err, &e) || errors.Is(err, errClosed):
		return err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return transfer.Broken("the other side closed the connection without a word")
	case isTimeout(err):
		return transfer.Broken("%s: the other side does not answer", op)
	}
	return transfer.Broken("%s: connection lost: %w", op, err)
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
				a.Phase = clip(transfer.Printable(a.Phase), 40)
				c.said.Store(a)
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

func (c *conn) readError(err error) error {
	if isTimeout(err) {
		return transfer.Broken("nothing heard from the other side for %v", c.idle)
	}
	return streamError("read", err)
}

// json reads a payload of n bytes into v.
func (c *conn) json(t frameType, n int, v any) error {
	b := make([]byte, n)
	if err := c.payload(t, b); err != nil {
		return err
	}
	if err := unmarshalJSON(b, v); err != nil {
		return transfer.Broken("control frame: %w", err)
	}
	return nil
}

// payload fills b with the payload of a frame of type t.
func (c *conn) payload(t frameType, b []byte) error {
	var r io.Reader = c.r
	if t.content() {
		r = countedReader{c.r, &c.moved.received}
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
	a := alive{Received: c.moved.received.Load()}
	if c.progress != nil {
		a.Phase = c.progress.Phase().String()
	}
	return a
}
