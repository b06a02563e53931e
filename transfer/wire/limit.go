package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"golang.org/x/time/rate"
)

// Limit returns s with its writes limited to bytesPerSecond. It splits a write into
// pieces of about 50 ms each. A rate of zero or less is no limit.
//
// SetWriteDeadline with a deadline, and Close, lift the limit for the current write
// and later ones: the stream is about to end, and its last frames must not wait for
// the rate. Removing the deadline restores the limit.
func Limit(s Stream, bytesPerSecond int64) Stream { return Limiter(bytesPerSecond)(s) }

// Limiter returns a function that applies [Limit] to streams. All these streams share
// the rate.
func Limiter(bytesPerSecond int64) func(Stream) Stream {
	if bytesPerSecond <= 0 {
		return func(s Stream) Stream { return s }
	}
	piece := int(min(max(bytesPerSecond/20, 1), 64<<10))
	all := rate.NewLimiter(rate.Limit(bytesPerSecond), piece)
	return func(s Stream) Stream {
		l := &limited{Stream: s, piece: piece, rate: all}
		l.hurry, l.cancel = context.WithCancel(context.Background())
		return l
	}
}

type limited struct {
	Stream
	piece int
	rate  *rate.Limiter

	mu     sync.Mutex
	hurry  context.Context // done while there is a write deadline
	cancel context.CancelFunc
	closed bool
}

// Write writes b piece by piece, and waits for the rate before each piece.
func (l *limited) Write(b []byte) (int, error) {
	n := 0
	for {
		p := b[n:]
		if len(p) > l.piece && !l.hurried() {
			p = p[:l.piece]
		}
		if !l.hurried() {
			// WaitN fails only if the context is done, which lifts the limit.
			_ = l.rate.WaitN(l.context(), len(p))
		}
		m, err := l.Stream.Write(p)
		n += m
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

func (l *limited) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hurry
}

func (l *limited) hurried() bool { return l.context().Err() != nil }

// SetWriteDeadline sets the deadline of the stream's writes, and lifts the limit unless
// t is zero.
func (l *limited) SetWriteDeadline(t time.Time) error {
	err := l.Stream.SetWriteDeadline(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !t.IsZero() {
		l.cancel()
	} else if l.hurry.Err() != nil && !l.closed {
		l.hurry, l.cancel = context.WithCancel(context.Background())
	}
	return err
}

// CloseWrite closes the writing direction. Its error is [errors.ErrUnsupported] if the
// stream cannot do that.
func (l *limited) CloseWrite() error {
	if cw, ok := l.Stream.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return fmt.Errorf("close the writing side: %w", errors.ErrUnsupported)
}

// Close closes the stream. A write does not wait for the rate any more.
func (l *limited) Close() error {
	l.end()
	return l.Stream.Close()
}

// Reset aborts the stream if it has a method Reset, else it closes the stream.
func (l *limited) Reset() error {
	l.end()
	if r, ok := l.Stream.(interface{ Reset() error }); ok {
		return r.Reset()
	}
	return l.Stream.Close()
}

func (l *limited) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.cancel()
}

// ParseRate parses a number of bytes per second such as "500k", "10M", "1.5MB/s"
// or "2GiB", see [transfer.ParseBytes]. A rate below [MinRate] is an error.
func ParseRate(s string) (int64, error) {
	n, err := transfer.ParseBytes(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	if err != nil {
		return 0, fmt.Errorf("rate %q: want a number of bytes a second such as 500k, 10M or 1.5MB/s", s)
	}
	if n < MinRate {
		return 0, fmt.Errorf("rate %q: less than %d bytes a second", s, MinRate)
	}
	return n, nil
}

// MinRate is the lowest rate of [ParseRate], in bytes per second. At a lower rate the
// other side could take this one for dead.
const MinRate = 1000
