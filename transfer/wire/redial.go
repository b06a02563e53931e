package wire

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// resumed is the answer to a hello that resumes a session.
type resumed struct {
	Received uint64 `json:"received"` // counted frames
}

// dials makes c dial again when its line breaks, if both sides resume. This side dialed,
// and the hellos have been exchanged.
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

// redial dials until it has resumed the session over another line. It gives up when ctx
// ends, at an error that another attempt cannot change, or when the other host has turned
// this one away for graces.gone.
func (c *conn) redial(ctx context.Context) (*line, uint64, error) {
	var turnedAway time.Time // time of the first of the latest consecutive ErrTurnedAway
	last := errTooLate
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		l, received, err := c.resume.again(ctx)
		if err == nil {
			return l, received, nil
		}
		if ctx.Err() != nil { // err then says only that ctx has ended
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

// goodbyeTime limits the last attempt to reach the other side. It is short because the
// user may have pressed Ctrl-C.
const goodbyeTime = time.Second

// goodbye dials once more to tell the other side why c, which ended while its line was
// lost, will not come back. Otherwise the other side would wait for c. c is shut.
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

// ErrEnded is wrapped by the error of a side that dialed again to resume, if the other
// side answers that the transfer has ended: it failed there, or the program was restarted.
var ErrEnded = errors.New("the transfer has ended there")

// An endedError is the other side's error for a transfer that has ended there.
type endedError struct{ error }

func (e endedError) Unwrap() error { return e.error }

func (endedError) Is(target error) bool { return target == ErrEnded }

// comeBack resumes the session over stream. It returns the new line, and the number of
// counted frames that the other side has received. If it fails, it closes stream.
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
		t.line.drop() // without an error frame, which would end the session
		if e := (*transfer.Error)(nil); errors.As(err, &e) && e.Remote && e.Kind == transfer.KindBroken {
			err = endedError{err}
		}
		return nil, 0, err
	}
	return t.line, r.Received, nil
}

// expect reads the next frame, which must be of type want, and decodes it into v.
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
