package transfer

import (
	"io"
	"time"
)

const (
	chunkSize = 128 << 10
	maxChunks = 32 // that wait for one copy

	// partialAfter is the age at which a chunk goes on though it is not full: a slow
	// source is seen to move.
	partialAfter = time.Second
)

// A chunk is a piece of a blob, which several copies may wait for.
type chunk struct {
	b    [chunkSize]byte
	n    int
	refs int // who holds it; Hub.mu guards it
}

// fill reads into the chunk until it is full, r has ended or failed, or the first byte in
// it is old. moved is told what came.
func (c *chunk) fill(r io.Reader, moved func(n int)) (err error) {
	var first time.Time
	c.n = 0
	for c.n < len(c.b) && err == nil {
		var n int
		n, err = r.Read(c.b[c.n:])
		c.n += n
		moved(n)
		switch now := time.Now(); {
		case c.n == 0:
		case first.IsZero():
			first = now
		case now.Sub(first) > partialAfter:
			return err
		}
	}
	return err
}

// chunk returns one that nobody holds.
func (h *Hub) chunk() *chunk {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.free)
	if n == 0 {
		return new(chunk)
	}
	c := h.free[n-1]
	h.free = h.free[:n-1]
	return c
}

// release lets go of a chunk. h.mu is held.
func (h *Hub) release(c *chunk) {
	if c.refs--; c.refs == 0 {
		h.free = append(h.free, c)
	}
}
