package wire

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// Times for the loss of a line.
const (
	// lostAfter is how long a line may be silent before it counts as lost.
	lostAfter = 12 * time.Second
	// firstPause and longestPause bound the backoff between attempts to dial.
	firstPause   = 250 * time.Millisecond
	longestPause = 3 * time.Second
)

// graces are how long a side waits for another line when it is unlikely to come.
type graces struct {
	// gone applies if the line was not silent but failed, or if the other host turns
	// this one away. The other program has probably ended.
	gone time.Duration
	// restart applies if the same peer has begun another transfer since its last byte.
	restart time.Duration
}

var defaultGraces = graces{gone: 30 * time.Second, restart: 15 * time.Second}

// ErrTurnedAway is wrapped by the error of [StreamOptions.Redial] if the other host
// answers but rejects the connection: no program listens there, or it refuses.
var ErrTurnedAway = errors.New("turned away")

// A LineEvent reports that a transfer has lost its line or has got another one.
type LineEvent struct {
	Err error         // why the line is lost; nil: another line has replaced it
	For time.Duration // lost: the maximum wait for another line; replaced: the actual one
}

// resume is the state with which a conn resumes over another line when its line breaks.
// Both sides number and keep the frames that they send. After the break, each side
// replays those that the other one has not received.
type resume struct {
	on      bool          // both sides resume; set after the hellos
	session string        // ID that the dialed side chose for this transfer
	retry   time.Duration // maximum wait for another line
	graces  graces
	onLine  func(LineEvent)
	// nextLine waits for another line, and returns it with the number of counted frames
	// that the other side has received. Its error says why there is none.
	nextLine func(context.Context) (*line, uint64, error)
	// again dials once to resume; nil at the end that was dialed.
	again func(context.Context) (*line, uint64, error)
	// patience returns how long nextLine may take; nil: as long as retry.
	patience func(why *lineError) time.Duration
	// over reports whether the transfer needs no other line, because only a bye is
	// missing; nil: it always needs one.
	over func() bool

	// until is the deadline for another line. It is extended only if frames have been
	// received since it was set, when their number was untilAt.
	until   time.Time
	untilAt uint64

	sent history
	got  atomic.Uint64 // counted frames received; only the reading goroutine adds to it

	ctx context.Context // done when no other line is needed
	end context.CancelFunc
}

func (r *resume) init(o StreamOptions, bufs *bufPool) {
	r.retry, r.onLine, r.sent.free, r.sent.more = o.RetryFor, o.OnLine, bufs, make(chan struct{}, 1)
	if r.graces = o.graces; r.graces == (graces{}) {
		r.graces = defaultGraces
	}
	r.ctx, r.end = context.WithCancel(context.Background())
}

// retryMargin allows for the time by which the other side notices the loss of the line
// later than this side, and for the time to dial.
const retryMargin = 15 * time.Second

// agreeRetry reduces retry to the other side's retry time plus retryMargin, if that is
// shorter.
func (c *conn) agreeRetry() {
	if theirs := c.peer.Retry; theirs < int(c.resume.retry/time.Second) {
		c.resume.retry = min(c.resume.retry, time.Duration(max(theirs, 0))*time.Second+retryMargin)
	}
}

// acked records that the other side has received n counted frames, if the conn resumes.
func (c *conn) acked(n uint64) error {
	if !c.resume.on {
		return nil
	}
	return c.resume.sent.ack(n)
}

// Lost reports whether the conn has lost its line and has no other one yet.
func (c *conn) Lost() bool { return c.current() == nil }

// frames calls next, which receives and counts one frame, until it fails or returns
// errBye, and then drains the stream. When a line breaks, it continues with another one.
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

// errBye means that the other side has sent a valid bye, or that none is needed.
var errBye = errors.New("bye")

// leave marks l as broken and interrupts its reads, so that the reading goroutine gets
// another line.
func (c *conn) leave(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.broken = true
	if c.resume.on && !c.draining {
		_ = l.SetReadDeadline(past)
	}
}

// relink replaces a broken line, and starts the replay of unacknowledged frames. It runs
// on the reading goroutine. Its error says why there is no other line; it is errBye if
// none is needed.
func (c *conn) relink(why *lineError) error {
	old := c.current()
	old.stop()
	<-c.pen // writers wait from here on
	written := make(chan struct{})
	defer func() {
		select {
		case <-written: // the replaying goroutine returns the pen
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

// wait returns how long to wait for another line now.
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

// errTooLate is the error for another line that did not come in time.
var errTooLate = errors.New("no other line in time")

// noLine returns the error for a line that was lost because of why, and was not replaced
// within after because of err.
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
	return transfer.Broken("%w; no connection for %v: %v", why, after.Round(time.Second), err) // %v: the kind of err must not count
}

// adopt makes l the line of c. received is the number of counted frames that the other
// side has received.
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

// lost records that the line has been lost since a time; the zero time means that it is
// not lost. It passes e to onLine unless e is empty.
func (c *conn) lost(e LineEvent, since time.Time) {
	if c.progress != nil {
		c.progress.SetLost(since)
	}
	if c.resume.onLine != nil && (e.Err != nil || e.For > 0) {
		c.resume.onLine(e)
	}
}
