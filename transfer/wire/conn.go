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

// A Stream is the byte stream between a [Sender] and a [Receiver]. The caller must
// have encrypted and authenticated it. Its Read must return io.EOF only if the other
// side has closed the stream, and another error if the connection is lost.
//
// A Stream may also have the methods CloseWrite() error, which closes the writing
// direction, and Reset() error, which aborts the stream.
type Stream interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// StreamOptions are the settings of one end of a stream. The zero value is
// ready to use.
type StreamOptions struct {
	Compression Compression        // of a Sender; default CompressAuto
	Blocks      *BlockCache        // shared by Senders of the same blobs; nil: none
	Idle        time.Duration      // the stream fails after this time without a byte; default 30 s
	Progress    *transfer.Progress // updated with bytes, phases and losses, if not nil

	// RetryFor is how long this side tries to resume on another stream when its stream
	// breaks; 0 or less: not at all. The end that dialed calls Redial for another stream.
	// If Redial returns a [transfer.Error] that is remote or not of KindBroken, the
	// transfer fails. After any other error, Redial is called again. The end that was
	// dialed, which uses [Sessions], waits for the other one.
	RetryFor time.Duration
	Redial   func(context.Context) (Stream, error)
	// OnLine, if not nil, is called when the stream has broken and when another one has
	// replaced it. It runs on the reading goroutine and must not block.
	OnLine func(LineEvent)
	// Queue, if not nil, returns why the other side has to wait, while the phase of
	// Progress is [transfer.Queued]. It may be called from any goroutine of this package.
	Queue func() Queue

	graces graces // zero: defaultGraces
}

const (
	defaultIdle = 30 * time.Second
	aliveEvery  = 2 * time.Second // and never less often than idle/4
	lingerTime  = 2 * time.Second // for the last frames before the stream is closed
	maxWorkers  = 4               // goroutines that compress or decompress; each may hold some megabytes
)

// errClosed is the error of operations that are interrupted when this end is closed.
var errClosed error = &transfer.Error{Kind: transfer.KindBroken, Err: errors.New("the connection has ended")}

func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// life is the state of a conn. It only increases.
//
//	state     entered by            reads                   writes
//	greeting  newConn               the hello               the hello
//	open      hello                 frames                  frames
//	failed    fail, which sets err  discards the rest       the current frame, then an error
//	parting   farewell              frames, or discards     a last bye or error
//	closed    shut                  nothing                 nothing
//
// A conn that does not fail skips failed. A conn whose hello fails skips open.
// The channel conn.failed is closed on entering failed, or else on entering closed.
//
// While a conn that resumes is open, its line may break. It then has no line, and reads
// and writes nothing, until the reading goroutine gets another line (see relink) or the
// conn enters a later state.
type life int

const (
	greeting life = iota
	open
	failed
	parting
	closed
)

// A conn is the common part of [Sender] and [Receiver]. It writes whole frames. One
// goroutine always reads, so that it notices at once when the other side fails or
// falls silent. Another goroutine sends an alive frame at regular intervals.
//
// The conn fails if it receives no byte within patience. [transfer.Copy] judges
// whether the other side makes progress, from Moved, Waiting and Lost.
type conn struct {
	r        *bufio.Reader // of the line; used only by the reading goroutine
	heard    time.Time     // when the last byte was received; used only by the reading goroutine
	idle     time.Duration
	progress *transfer.Progress
	queue    func() Queue
	loads    bool     // this side is the receiver: it loads images and reports how many
	features []string // features of both sides
	resume   resume
	guest    *guest // the other side, if it dialed; nil: this side dialed

	pen chan struct{} // lock for writing: holds a value while it is free and there is a line

	mu       sync.Mutex // guards line, life, err, draining and the line's read deadline
	line     *line      // nil while it is lost
	life     life
	err      error // why the conn failed; errClosed if it was closed without a failure
	draining bool  // the reading goroutine discards what it reads until the stream ends

	failed  chan struct{} // closed when err is set
	drained chan struct{} // closed when the other side has ended the stream
	wg      sync.WaitGroup
	peer    Hello
	moved   movement
	said    atomic.Pointer[alive] // the last alive frame of the other side
	bufs    bufPool               // for data blocks in both directions
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

// enter moves the conn to a later state. It reports false if the conn is already in
// that state or a later one.
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

// past is a deadline that has expired.
var past = time.Unix(1, 0)

// endReads interrupts the current read. Later reads fail, except those of drain.
// The caller holds c.mu.
func (c *conn) endReads() {
	if c.line != nil {
		_ = c.line.SetReadDeadline(past)
	}
}

// hurry sets the deadline of writes on the current line. The caller must not hold c.mu.
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

// patience returns how long the line may be silent. It is shorter if another line can
// replace it.
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

// setPatience sets the deadline of the next read of l to d from now. It returns an error
// if l must not be read any more.
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

// Failed returns a channel that is closed when the stream or the other side has failed,
// or this end has been closed. Err then returns why.
func (c *conn) Failed() <-chan struct{} { return c.failed }

// Err returns why the stream failed, or nil while Failed is open.
func (c *conn) Err() error {
	select {
	case <-c.failed:
		return c.err
	default:
		return nil
	}
}

// fail ends the use of the stream with err. Only the first error counts. The current
// write has lingerTime to complete.
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

// live reports whether frames of the other side still matter.
func (c *conn) live() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life < failed
}

// Peer returns the other side's hello.
func (c *conn) Peer() Hello { return c.peer }

// PeerPhase returns the phase in the last alive frame of the other side, or "" if there
// was none. It is the name of a [transfer.Phase] if the other side is honest and of this
// version, and always short and printable.
func (c *conn) PeerPhase() string {
	if a := c.said.Load(); a != nil {
		return a.Phase
	}
	return ""
}

// write sends one whole frame. The other side always reads, so only a dead or hostile
// peer can block write. After ctx ends or fail is called, write returns within
// lingerTime. If the conn resumes, write waits for another line while there is none,
// and a counted frame that the line did not carry whole is sent again over the next.
func (c *conn) write(ctx context.Context, frame []byte) error { return c.send(ctx, frame, nil, nil) }

// send is like write. buf, if not nil, is the buffer that holds frame. send takes over
// buf, and returns it to the pool when the frame need not be sent again, even if send
// fails. wrote is passed to [line.write].
func (c *conn) send(ctx context.Context, frame, buf []byte, wrote func(n int)) error {
	stop := context.AfterFunc(ctx, func() { c.hurry(time.Now().Add(lingerTime)) })
	defer stop()
	err := c.writeWhole(ctx, frame, buf, wrote)
	if err == nil || errors.Is(err, errClosed) || c.resume.on {
		return err
	}
	// The reading goroutine may be about to receive a better reason: the other
	// side sends an error frame before it closes.
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
	if c.isBroken(l) { // an uncounted frame is only for its own line
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

// isBroken reports whether a write to l has failed, or l is being replaced.
func (c *conn) isBroken(l *line) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.broken
}

// takePen waits until no other goroutine writes and there is a line, or ctx ends.
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

// put writes a frame that is in the history. If the line breaks, put returns nil: the
// reading goroutine gets another line and the frame is sent again.
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

// header reads the next frame's header. It handles alive frames itself, and returns an
// error frame as an error.
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

// heardAlive records an alive frame of the other side. It fails if the frame is invalid.
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

// json reads a payload of n bytes and decodes it into v.
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
	case t == frameOffer && errors.As(err, &limit): // too large, but not malformed
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

// beat sends an alive frame at regular intervals until the conn fails.
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

// sign returns the alive frame that describes this side now.
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
