package wire

import (
	"bufio"
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// A line is one byte stream of a conn. A conn that resumes uses several lines, one
// after the other.
type line struct {
	Stream
	c      *conn // the conn that uses the line
	r      *bufio.Reader
	broken bool // a frame may have been cut short; guarded by c.mu
}

func newLine(s Stream, c *conn) *line {
	l := &line{Stream: s, c: c}
	l.r = bufio.NewReaderSize(timedReader{l}, 64<<10)
	return l
}

// A lineError is the error of a line that failed. The other side may still be alive.
type lineError struct {
	error
	silent bool // no byte was received for too long; else the line broke
}

func (e *lineError) Unwrap() error { return e.error }

// errLineDown is the error for reading a line that is no longer used.
var errLineDown = errors.New("the connection was given up")

// stop interrupts the current read and write, and makes later ones fail.
func (l *line) stop() {
	_ = l.SetReadDeadline(past)
	_ = l.SetWriteDeadline(past)
}

// drop aborts the line: it resets the stream if the stream can do that, else it closes it.
func (l *line) drop() {
	l.stop()
	if r, ok := l.Stream.(interface{ Reset() error }); ok {
		_ = r.Reset()
		return
	}
	_ = l.Close()
}

// closeWrite closes the writing direction if the stream can do that.
func (l *line) closeWrite() {
	if cw, ok := l.Stream.(interface{ CloseWrite() error }); ok {
		_ = cw.CloseWrite()
	}
}

// write writes a frame in pieces. After each piece it calls wrote, if not nil, with the
// number of bytes written.
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

// writePiece is the maximum number of bytes per write to the stream. Writes are small so
// that the progress of a slow stream is visible.
const writePiece = 16 << 10

// A timedReader reads the stream of a line. A read fails with a timeout after the conn's
// patience without a byte.
type timedReader struct{ l *line }

func (t timedReader) Read(b []byte) (int, error) {
	patience := t.l.c.patience()
	grace := patience / 4
	n, err := t.read(b, patience-grace)
	if n == 0 && isTimeout(err) {
		// The deadline may have expired because this host was suspended. Then bytes
		// that were received meanwhile can be read now.
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
// sides ended the stream or err is a [transfer.Error].
func (c *conn) readError(err error) error {
	switch {
	case isTimeout(err):
		return &lineError{error: transfer.Broken("nothing heard from the other side for %v", c.patience()), silent: true}
	case err == io.EOF: // unwrapped, it means that the other side closed the stream
		return transfer.Broken("the other side closed the connection without a word")
	case err == io.ErrUnexpectedEOF:
		return transfer.Broken("stream ended inside a frame")
	}
	return streamError("read", err)
}

// cause returns the system's error number in err, or err if there is none. The layers
// above the system add only that the connection is lost.
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
