package wire

import (
	"sync/atomic"

	"github.com/imgsend/imgsend/transfer"
)

// A movement counts the content bytes that a conn has sent and received: the payload
// bytes of the frame types for which content reports true. Alive frames, credits and
// the framing of blobs do not count, because a peer could send them for ever.
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

// Moved returns the number of content bytes that this side has sent and received, plus
// the number that the other side has reported as received. The latter shows progress
// of bytes in slow buffers, and counts at most what was sent.
func (c *conn) Moved() int64 {
	sent := c.moved.sent.Load()
	n := sent + c.moved.received.Load()
	if a := c.said.Load(); a != nil {
		n += min(max(a.Received, 0), sent)
	}
	return n
}

// Waiting reports whether the other side says that its user has to decide, or that it
// serves another peer first. Its time for an answer is then not limited.
func (c *conn) Waiting() bool {
	switch c.PeerPhase() {
	case transfer.Queued.String(), transfer.Deciding.String():
		return true
	case transfer.Describing.String():
		// A receiver without featureDeciding reports this phase while it asks its user.
		return !c.has(featureDeciding)
	}
	return false
}

// carried adds n content bytes to which, and to the progress.
func (c *conn) carried(which *atomic.Int64, n int) {
	which.Add(int64(n))
	if c.progress != nil {
		c.progress.Content.Add(int64(n))
	}
}

// A contentReader reads from the conn's line and counts the bytes as content.
type contentReader struct{ c *conn }

func (r contentReader) Read(p []byte) (int, error) {
	n, err := r.c.r.Read(p)
	r.c.carried(&r.c.moved.received, n)
	return n, err
}
