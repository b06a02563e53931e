package wire

import (
	"sync/atomic"

	"github.com/imgsend/imgsend/transfer"
)

// A movement counts the content that a stream has carried: the payload bytes of
// the frames that have any. Signs of life, credits and the framing of blobs are
// none: they can go on for ever.
type movement struct {
	sent, received atomic.Int64
}

// content reports whether a frame of this type carries content.
func (t frameType) content() bool {
	switch t {
	case frameOffer, frameAnswer, frameBlock, frameIndex, frameResult, frameListing:
		return true
	}
	return false
}

// Moved returns how much content this side has sent and received, and the other
// side has confirmed to have received: bytes on their way through slow buffers
// move, too. It only grows, and a confirmation counts no more than was sent.
func (c *conn) Moved() int64 {
	sent := c.moved.sent.Load()
	n := sent + c.moved.received.Load()
	if a := c.said.Load(); a != nil {
		n += min(max(a.Received, 0), sent)
	}
	return n
}

// Waiting reports whether the other side says that a person decides there, or
// that it serves somebody else first. It may take its time.
func (c *conn) Waiting() bool {
	switch c.PeerPhase() {
	case transfer.Queued.String(), transfer.Deciding.String():
		return true
	case transfer.Describing.String():
		// A receiver that knows no better word.
		return !c.has(featureDeciding)
	}
	return false
}

// carried counts n bytes of content that were sent, or received.
func (c *conn) carried(which *atomic.Int64, n int) {
	which.Add(int64(n))
	if c.progress != nil {
		c.progress.Content.Add(int64(n))
	}
}

// A contentReader counts the content that it reads.
type contentReader struct{ c *conn }

func (r contentReader) Read(p []byte) (int, error) {
	n, err := r.c.r.Read(p)
	r.c.carried(&r.c.moved.received, n)
	return n, err
}
