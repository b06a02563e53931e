package wire

import (
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// A Queue says why a side that is [transfer.Queued] has the other one wait for its turn.
type Queue struct {
	// Once: it takes part in one transfer only, and is busy with another one. It is the
	// other side's turn only if that one fails.
	Once bool `json:"once,omitempty"`
	// Lost is for how many seconds, at most, the one that it is busy with still waits for
	// its lost line; 0: that is not lost.
	Lost int `json:"lost,omitempty"`
}

// maxLost bounds what is believed of Queue.Lost: a year.
const maxLost = int(365 * 24 * time.Hour / time.Second)

// PeerQueue reports whether the other side has this one wait for its turn, and why, as
// it says.
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
