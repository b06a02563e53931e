package wire

import (
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// A Queue says why a side in the phase [transfer.Queued] lets the other side wait.
type Queue struct {
	// Once reports that the side makes one transfer only, and is busy with another peer.
	// The waiting side gets its turn only if that transfer fails.
	Once bool `json:"once,omitempty"`
	// Lost is positive if the transfer that the side is busy with has lost its line: the
	// number of seconds, at most, that it still waits for another line.
	Lost int `json:"lost,omitempty"`
}

// maxLost is the maximum of a received Queue.Lost: one year in seconds.
const maxLost = int(365 * 24 * time.Hour / time.Second)

// PeerQueue reports whether the other side says that this side has to wait for its turn,
// and why.
func (c *conn) PeerQueue() (q Queue, queued bool) {
	a := c.said.Load()
	if a == nil || a.Phase != transfer.Queued.String() {
		return q, false
	}
	if a.Queue != nil {
		q = *a.Queue
	}
	q.Lost = min(max(q.Lost, 0), maxLost)
	return q, true
}
