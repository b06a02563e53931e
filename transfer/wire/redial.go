package wire

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// resumed is the answer to a hello that goes on with a session.
type resumed struct {
	Received uint64 `json:"received"` // counted frames
}

// dials has c, which has dialed the other side, make another line when one breaks. Both
// have said hello.
func (c *conn) dials(mine Hello, o StreamOptions) {
	c.resume.session = c.peer.Session
	c.resume.on = c.has(featureResume) && c.resume.session != ""
	c.agreeRetry()
	c.resume.nextLine = c.redial
	c.resume.again = func(ctx context.Context) (*line, uint64, error) {
		stream, err := o.Redial(ctx)
		if err != nil {
			return nil, 0, err
		}
		return c.comeBack(ctx, stream, mine)
	}
}

// redial makes another stream, again and again, and goes on with the session.
func (c *conn) redial(ctx context.Context) (*line, uint64, error) {
	var turnedAway time.Time // since when, without another answer in between
	last := errTooLate
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		l, received, err := c.resume.again(ctx)
		if err == nil {
			return l, received, nil
		}
		if ctx.Err() != nil { // which is then what err says
			return nil, 0, last
		}
		if e := (*transfer.Error)(nil); errors.As(err, &e) && (e.Remote || e.Kind != transfer.KindBroken) {
			return nil, 0, err
		}
		switch {
		case !errors.Is(err, ErrTurnedAway):
			turnedAway = time.Time{}
		case turnedAway.IsZero():
			turnedAway = time.Now()
		case time.Since(turnedAway) > c.resume.graces.gone:
			return nil, 0, err
		}
		last = err
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, 0, last
		}
	}
}

// goodbyeTime bounds the last try to reach the other side: somebody may have pressed
// Ctrl-C.
const goodbyeTime = time.Second

// goodbye tells the other side why c has ended, if that was while the line was lost and it
// can be reached at once after all. The other side would wait for c else. c is shut.
func (c *conn) goodbye(err error) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	last, err := marshalFrame(frameError, toFailure(err))
	if err != nil {
		return
	}
	l, _, err := c.resume.again(ctx)
	if err != nil {
		return
	}
	defer l.Close()
	until := time.Now().Add(goodbyeTime)
	_ = l.SetWriteDeadline(until)
	_ = l.SetReadDeadline(until)
	if l.write(last, nil) == nil {
		l.closeWrite()
		_, _ = io.Copy(io.Discard, l.Stream)
	}
}

// ErrEnded is wrapped by the error of a side that comes back when its line was lost, and
// hears that the transfer has ended: it has failed there meanwhile, or the program was
// started anew.
var ErrEnded = errors.New("the transfer has ended there")

// An endedError is what the other side says of a transfer that has ended there.
type endedError struct{ error }

func (e endedError) Unwrap() error { return e.error }

func (endedError) Is(target error) bool { return target == ErrEnded }

// comeBack goes on with the session over another stream.
func (c *conn) comeBack(ctx context.Context, stream Stream, mine Hello) (*line, uint64, error) {
	t := newConn(stream, StreamOptions{Idle: min(c.idle, lostAfter), RetryFor: c.resume.retry})
	defer t.resume.end()
	stop := context.AfterFunc(ctx, t.line.stop)
	defer stop()
	mine.Session, mine.Received = c.resume.session, c.resume.got.Load()
	err := t.hello(ctx, mine)
	var r resumed
	if err == nil {
		err = t.expect(frameResumed, &r)
	}
	if err != nil {
		t.line.drop() // without a word: it would be the last one of the session
		if e := (*transfer.Error)(nil); errors.As(err, &e) && e.Remote && e.Kind == transfer.KindBroken {
			err = endedError{err}
		}
		return nil, 0, err
	}
	return t.line, r.Received, nil
}

// expect reads a control frame of this type.
func (c *conn) expect(want frameType, v any) error {
	t, n, err := c.header()
	if err == nil && t != want {
		err = transfer.Broken("frame type %d where type %d belongs", t, want)
	}
	if err != nil {
		return err
	}
	return c.json(t, n, v)
}
