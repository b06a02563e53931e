package wire

import (
	"bufio"
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// A line is one byte stream that a conn talks over. A conn that resumes has one
// after the other.
type line struct {
	Stream
	c      *conn // whose it is
	r      *bufio.Reader
	broken bool // a frame may have been cut short; c.mu guards it
}

func newLine(s Stream, c *conn) *line {
	l := &line{Stream: s, c: c}
	l.r = bufio.NewReaderSize(timedReader{l}, 64<<10)
	return l
}

// A lineError says that a line has failed, and not the other side.
type lineError struct {
	error
	silent bool // nothing came for too long; else the line broke
}

func (e *lineError) Unwrap() error { return e.error }

// errLineDown is read from a line that is used no longer.
var errLineDown = errors.New("the connection was given up")

// stop ends what is read and written, and all that follows.
func (l *line) stop() {
	_ = l.SetReadDeadline(past)
	_ = l.SetWriteDeadline(past)
}

// drop closes the line at once. The other side hears it if it can.
func (l *line) drop() {
	l.stop()
	if r, ok := l.Stream.(interface{ Reset() error }); ok {
		_ = r.Reset()
		return
	}
	_ = l.Close()
}

// closeWrite ends what is written, if the stream can do that alone.
func (l *line) closeWrite() {
	if cw, ok := l.Stream.(interface{ CloseWrite() error }); ok {
		_ = cw.CloseWrite()
	}
}

// write writes a frame. Each piece that has gone out is told to wrote, if that is not
// nil.
func (l *line) write(frame []byte, wrote func(n int)) error {
	content := frameType(frame[0]).content()
	for len(frame) > 0 {
		n, err := l.Write(frame[:min(len(frame), writePiece)])
		if l.c.progress != nil {
			l.c.progress.Wire.Add(int64(n))
		}
		if content {
			l.c.carried(&l.c.moved.sent, n)
		}
		if wrote != nil {
			wrote(n)
		}
		if err != nil {
			return err
		}
		frame = frame[n:]
	}
	return nil
}

// writePiece is how much goes to the stream at once, so that a slow one shows
// that it moves.
const writePiece = 16 << 10

// A timedReader reads the stream, giving up after a time without a byte: the
// conn's patience.
type timedReader struct{ l *line }

func (t timedReader) Read(b []byte) (int, error) {
	patience := t.l.c.patience()
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
	if err := t.l.c.setPatience(t.l, patience); err != nil {
		return 0, err
	}
	n, err := t.l.Read(b)
	if n > 0 {
		t.l.c.heard = time.Now()
	}
	if p := t.l.c.progress; p != nil {
		p.Wire.Add(int64(n))
	}
	return n, err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// readError returns the error for a read that failed: a [lineError], unless one of the
// sides has ended the stream.
func (c *conn) readError(err error) error {
	switch {
	case isTimeout(err):
		return &lineError{error: transfer.Broken("nothing heard from the other side for %v", c.patience()), silent: true}
	case err == io.EOF: // as it is, it means that the other side has ended the stream by itself
		return transfer.Broken("the other side closed the connection without a word")
	case err == io.ErrUnexpectedEOF:
		return transfer.Broken("stream ended inside a frame")
	}
	return streamError("read", err)
}

// cause returns what the system says of a lost connection, where it does: each layer
// above only says once more that it is lost.
func cause(err error) error {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return err
}

func streamError(op string, err error) error {
	var e *transfer.Error
	switch {
	case errors.As(err, &e) || errors.Is(err, errClosed):
		return err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		err = transfer.Broken("the other side closed the connection without a word")
	case isTimeout(err):
		err = transfer.Broken("%s: the other side does not answer", op)
	default:
		err = transfer.Broken("%s: connection lost: %w", op, cause(err))
	}
	return &lineError{error: err}
}
