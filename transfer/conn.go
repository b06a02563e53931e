package transfer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
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
	Compression Compression   // of a Sender; default CompressAuto
	Idle        time.Duration // the other side is given up after this silence; default 30 s
	Progress    *Progress     // counts the bytes on the wire, if not nil
}

const (
	defaultIdle = 30 * time.Second
	aliveEvery  = 2 * time.Second // and never less often than idle/4
	lingerTime  = 2 * time.Second // to tell the other side why it is over
	maxWorkers  = 4               // for coding; each may hold some megabytes
)

func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// A conn is what both ends of a stream have in common: whole frames out, one
// reading goroutine that never stops reading, so that it notices at once when
// the other side fails or falls silent, and a goroutine that says that this
// side is alive.
type conn struct {
	s        Stream
	r        *bufio.Reader
	patience time.Duration // of the next read; the reading goroutine's
	idle     time.Duration
	progress *Progress

	wmu     sync.Mutex
	wbroken bool // a frame was cut short: nothing can follow it

	failOnce sync.Once
	failed   chan struct{} // closed when err is set
	err      error

	cut     atomic.Bool   // reads end at once
	over    atomic.Bool   // nothing more is expected of the other side
	quit    chan struct{} // closed by shut
	ending  sync.Once
	wg      sync.WaitGroup
	drained chan struct{} // closed when the other side has ended the stream
	peer    Hello
	phase   atomic.Value // string: what the other side last said that it does
}

func newConn(s Stream, o StreamOptions) *conn {
	c := &conn{s: s, idle: o.Idle, progress: o.Progress,
		failed: make(chan struct{}), quit: make(chan struct{}), drained: make(chan struct{})}
	if c.idle <= 0 {
		c.idle = defaultIdle
	}
	c.patience = c.idle
	c.r = bufio.NewReaderSize(timedReader{c}, 64<<10)
	return c
}

// A timedReader reads the stream, giving up after its conn's patience without a
// byte.
type timedReader struct{ c *conn }

func (t timedReader) Read(b []byte) (int, error) {
	grace := t.c.patience / 4
	n, err := t.read(b, t.c.patience-grace)
	if n == 0 && isTimeout(err) {
		// The time may have passed because this host slept: then what was said
		// meanwhile is there now.
		n, err = t.read(b, grace)
	}
	return n, err
}

func (t timedReader) read(b []byte, patience time.Duration) (int, error) {
	c := t.c
	if err := c.s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	// Whoever sets cut moves the deadline after it.
	if c.cut.Load() {
		return 0, errClosed
	}
	n, err := c.s.Read(b)
	if c.progress != nil {
		c.progress.Wire.Add(int64(n))
	}
	return n, err
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

// fail ends the stream's use. What is being written has a last moment to get
// out.
func (c *conn) fail(err error) {
	c.failOnce.Do(func() {
		c.err = err
		close(c.failed)
		_ = c.s.SetWriteDeadline(time.Now().Add(lingerTime))
	})
}

// Peer returns the other side's hello.
func (c *conn) Peer() Hello { return c.peer }

// PeerPhase returns what the other side last said that it does: the name of a
// [Phase], or whatever it claims; empty if it has not said anything yet.
func (c *conn) PeerPhase() string {
	s, _ := c.phase.Load().(string)
	return s
}

// write sends one whole frame, or several. The other side always reads, so
// that only a dead or hostile one can block it; fail bounds for how long.
func (c *conn) write(frame []byte) error {
	err := c.writeLocked(frame)
	if err == nil || err == errClosed {
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
	return c.err
}

func (c *conn) writeLocked(frame []byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.wbroken {
		return errClosed
	}
	n, err := c.s.Write(frame)
	if c.progress != nil {
		c.progress.Wire.Add(int64(n))
	}
	c.wbroken = err != nil
	return err
}

// writeJSON sends one control frame.
func (c *conn) writeJSON(ctx context.Context, t frameType, v any) error {
	b, err := marshalFrame(t, v)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.s.SetWriteDeadline(time.Now().Add(lingerTime)) })
	defer stop()
	if err := c.write(b); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func streamError(op string, err error) error {
	var e *Error
	switch {
	case errors.As(err, &e) || err == errClosed:
		return err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return broken("the other side closed the connection without a word")
	case isTimeout(err):
		return broken("%s: the other side does not answer", op)
	}
	return broken("%s: connection lost: %w", op, err)
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
			var a alive
			if err = c.json(n, &a); err == nil {
				c.phase.Store(clip(Printable(a.Phase), 40))
			}
		case frameError:
			var f failure
			if err = c.json(n, &f); err == nil {
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
		return broken("nothing heard from the other side for %v", c.idle)
	}
	return streamError("read", err)
}

// json reads a payload of n bytes into v.
func (c *conn) json(n int, v any) error {
	b := make([]byte, n)
	if err := c.payload(b); err != nil {
		return err
	}
	if err := unmarshalJSON(b, v); err != nil {
		return broken("control frame: %w", err)
	}
	return nil
}

func (c *conn) payload(b []byte) error {
	if err := readPayload(c.r, b); err != nil {
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
			phase := ""
			if c.progress != nil {
				phase = c.progress.Phase().String()
			}
			if c.writeJSON(context.Background(), frameAlive, alive{Phase: phase}) != nil {
				return
			}
		case <-c.quit:
			return
		case <-c.failed:
			return
		}
	}
}
