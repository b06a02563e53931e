package wire

import (
	"sync"

	"github.com/imgsend/imgsend/transfer"
)

// A history counts the frames that one side sends, from 1 on, and keeps those
// that the other side may not have received. Hello, alive and resumed are not
// counted: they belong to a line.
type history struct {
	mu      sync.Mutex
	kept    []sentFrame // those after number gone, in their order
	gone    uint64      // so many are not kept any more
	written uint64      // what the line has taken whole; only of what is written the memory is free
	acked   uint64      // what the other side has received
	newest  frameType
	free    *bufPool
	more    chan struct{} // holds one when there may be room again
}

// A sentFrame is a frame and the buffer that it stands in, or nil.
type sentFrame struct{ frame, buf []byte }

// What is kept for a side that confirms nothing.
const (
	maxUnconfirmed = 2 * window // frames that a sender keeps; it sends no more until then
	maxKept        = 1 << 16    // frames that anybody keeps; they are short but for a sender's
)

// counted reports whether frames of this type have a number.
func (t frameType) counted() bool {
	return t != frameHello && t != frameAlive && t != frameResumed
}

// add keeps a frame that is about to be written.
func (h *history) add(frame, buf []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.kept) >= maxKept {
		return transfer.Broken("the other side does not confirm what it receives")
	}
	h.kept = append(h.kept, sentFrame{frame, buf})
	h.newest = frameType(frame[0])
	return nil
}

// hasRoom reports whether a sender may keep one more frame.
func (h *history) hasRoom() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.kept) < maxUnconfirmed
}

// wrote says that one more frame is written.
func (h *history) wrote() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written++
	h.release()
}

// ack says that the other side has received n frames in all.
func (h *history) ack(n uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n > h.gone+uint64(len(h.kept)) {
		return transfer.Broken("%d frames are confirmed, %d were sent", n, h.gone+uint64(len(h.kept)))
	}
	h.acked = max(h.acked, n)
	h.release()
	select {
	case h.more <- struct{}{}:
	default:
	}
	return nil
}

// release forgets what was written and received.
func (h *history) release() {
	n := 0
	for h.gone < min(h.written, h.acked) {
		h.free.put(h.kept[n].buf)
		h.kept[n] = sentFrame{}
		n++
		h.gone++
	}
	h.kept = h.kept[n:]
}

// resumeAt says that the other side, which has received n frames, goes on with
// another line: what comes after those is to be written again.
func (h *history) resumeAt(n uint64) error {
	if err := h.ack(n); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if n < h.acked {
		return transfer.Broken("%d frames are confirmed after %d were", n, h.acked)
	}
	h.written = n
	h.release()
	return nil
}

// next returns the first frame that is not written, or nil.
func (h *history) next() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at := h.written - h.gone; at < uint64(len(h.kept)) {
		return h.kept[at].frame
	}
	return nil
}

// ends reports whether the newest frame is of this type, and the other side has
// received it.
func (h *history) ends(t frameType) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest == t && h.acked == h.gone+uint64(len(h.kept))
}
