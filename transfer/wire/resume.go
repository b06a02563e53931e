package wire

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// Times of a line that breaks.
const (
	// lostAfter is how long a line may be silent until another one takes its place.
	lostAfter = 12 * time.Second
	// firstPause and longestPause are between attempts to dial.
	firstPause   = 250 * time.Millisecond
	longestPause = 3 * time.Second
)

// graces are how long another line is waited for where it is not likely to come.
type graces struct {
	// gone: the last one was not silent but failed, or the other host turns this one
	// away. Its program has ended, by all appearance.
	gone time.Duration
	// restart: the same peer has begun another transfer since it was last heard.
	restart time.Duration
}

var defaultGraces = graces{gone: 30 * time.Second, restart: 15 * time.Second}

// ErrTurnedAway is wrapped by what [StreamOptions.Redial] returns if the other host
// answers and does not let this one in: nobody listens there, or it refuses.
var ErrTurnedAway = errors.New("turned away")

// A LineEvent says that the line of a transfer is lost, or that there is another.
type LineEvent struct {
	Err error         // why it is lost; nil: there is another one
	For time.Duration // for how long another one is tried or waited for, or was
}

// resume is what a conn needs to go on with another line when one breaks: both
// sides count and keep the frames that they send, and after the break begin with the
// first that the other one has not received.
type resume struct {
	on      bool          // both sides can; set by hello
	session string        // what the end that was dialed calls this transfer
	retry   time.Duration // how long another line is waited for
	graces  graces
	onLine  func(LineEvent)
	// nextLine returns another line, and how many frames the other side has received.
	// Its error says why there will be none.
	nextLine func(context.Context) (*line, uint64, error)
	// again makes one try to come back, at the end that dials; nil at the other one.
	again func(context.Context) (*line, uint64, error)
	// patience is how long nextLine may take; nil: retry.
	patience func(why *lineError) time.Duration
	// over reports whether everything has been said, so that no other line is needed;
	// nil: it never is.
	over func() bool

	// A line that breaks before another frame has come gets no new time: until when
	// the next one is waited for, and how many frames had come then.
	until   time.Time
	untilAt uint64

	sent history
	got  atomic.Uint64 // counted frames that were received; the reading goroutine adds to it

	ctx context.Context // ends when no other line is of use
	end context.CancelFunc
}

func (r *resume) init(o StreamOptions, bufs *bufPool) {
	r.retry, r.onLine, r.sent.free, r.sent.more = o.RetryFor, o.OnLine, bufs, make(chan struct{}, 1)
	if r.graces = o.graces; r.graces == (graces{}) {
		r.graces = defaultGraces
	}
	r.ctx, r.end = context.WithCancel(context.Background())
}

// retryMargin is how much later than this side the other one may have noticed that
// the line is lost, and what it takes to dial.
const retryMargin = 15 * time.Second

// agreeRetry has this side wait no longer than the other one does.
func (c *conn) agreeRetry() {
	if theirs := c.peer.Retry; theirs < int(c.resume.retry/time.Second) {
		c.resume.retry = min(c.resume.retry, time.Duration(max(theirs, 0))*time.Second+retryMargin)
	}
}

// acked takes the other side's word for how many frames it has received.
func (c *conn) acked(n uint64) error {
	if !c.resume.on {
		return nil
	}
	return c.resume.sent.ack(n)
}

// Lost reports whether the line is lost and another one is tried or waited for.
func (c *conn) Lost() bool { return c.current() == nil }

// frames calls next, which receives and counts one frame, until the stream ends. It
// goes on with another line when one breaks.
func (c *conn) frames(next func() error) {
	for c.live() {
		err := next()
		if broken := (*lineError)(nil); errors.As(err, &broken) && c.resume.on {
			if err = c.relink(broken); err == nil {
				continue
			}
		}
		if err == errBye {
			break
		}
		if err != nil {
			c.fail(err)
			break
		}
	}
	c.drain()
}

// errBye says that the other side has said bye when it might.
var errBye = errors.New("bye")

// leave marks a line on which a write has failed; the reading goroutine then looks
// for another one.
func (c *conn) leave(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.broken = true
	if c.resume.on && !c.draining {
		_ = l.SetReadDeadline(past)
	}
}

// relink replaces a line that is broken, on the reading goroutine. It returns why
// there is no other one, or errBye if none is needed.
func (c *conn) relink(why *lineError) error {
	old := c.current()
	old.stop()
	<-c.pen // writers wait from here on
	written := make(chan struct{})
	defer func() {
		select {
		case <-written: // whoever writes what is not confirmed gives it back
		default:
			c.pen <- struct{}{}
		}
	}()
	c.wg.Go(old.drop)
	c.mu.Lock()
	if c.life != open {
		c.mu.Unlock()
		return why
	}
	c.line = nil
	c.mu.Unlock()
	if c.resume.over != nil && c.resume.over() {
		return errBye
	}
	lost := time.Now()
	patience := c.resume.wait(why)
	c.lost(LineEvent{Err: why, For: patience}, lost)
	ctx, cancel := context.WithTimeout(c.resume.ctx, patience)
	defer cancel()
	next, received, err := c.resume.nextLine(ctx)
	if err == nil {
		if err = c.adopt(next, received); err != nil {
			next.drop()
		}
	}
	if err != nil {
		c.lost(LineEvent{}, time.Time{})
		return c.noLine(why, err, time.Since(lost))
	}
	c.lost(LineEvent{For: time.Since(lost)}, time.Time{})
	close(written)
	c.wg.Go(func() {
		defer func() { c.pen <- struct{}{} }()
		for frame := c.resume.sent.next(); frame != nil; frame = c.resume.sent.next() {
			if next.write(frame, nil) != nil {
				c.leave(next)
				return
			}
			c.resume.sent.wrote()
		}
	})
	return nil
}

// wait returns how long another line is waited for now.
func (r *resume) wait(why *lineError) time.Duration {
	now, got := time.Now(), r.got.Load()
	if r.until.IsZero() || r.untilAt != got {
		r.until, r.untilAt = now.Add(r.retry), got
	}
	patience := r.until.Sub(now)
	if r.patience != nil {
		patience = min(patience, r.patience(why))
	}
	return max(patience, 0)
}

// errTooLate ends the wait for another line.
var errTooLate = errors.New("no other line in time")

// noLine is the error for a line that was not replaced.
func (c *conn) noLine(why, err error, after time.Duration) error {
	var e *transfer.Error
	switch {
	case c.resume.ctx.Err() != nil:
		return errClosed
	case errors.As(err, &e):
		return err
	case errors.Is(err, errTooLate):
		return transfer.Broken("%w; no connection for %v", why, after.Round(time.Second))
	}
	return transfer.Broken("%w; no connection for %v: %v", why, after.Round(time.Second), err) // of what kind that is does not count
}

// adopt goes on with another line, over which the other side has said how many
// frames it has received.
func (c *conn) adopt(l *line, received uint64) error {
	if err := c.resume.sent.resumeAt(received); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != open {
		return errClosed
	}
	l.c, c.line, c.r = c, l, l.r
	return l.SetWriteDeadline(time.Time{})
}

// lost notes that the line is lost, since a time, or, without one, is not any more.
func (c *conn) lost(e LineEvent, since time.Time) {
	if c.progress != nil {
		c.progress.SetLost(since)
	}
	if c.resume.onLine != nil && (e.Err != nil || e.For > 0) {
		c.resume.onLine(e)
	}
}
