package wire

import (
	"sync"

	"github.com/imgsend/imgsend/transfer"
)

// A history numbers the frames that one side sends, from 1, and keeps those that the
// other side has not acknowledged, for replay over another line. Hello, alive and
// resumed frames have no number and are not kept: they concern one line only.
type history struct {
	mu      sync.Mutex
	kept    []sentFrame // the frames after number gone, in order
	gone    uint64      // number of frames that are no longer kept
	written uint64      // number of frames written whole to the line; the memory of others is in use
	acked   uint64      // number of frames that the other side has received
	newest  frameType   // of the last frame added
	free    *bufPool
	more    chan struct{} // holds a value when there may be room again
}

// A sentFrame is a frame and the buffer that holds it, or nil if that is not pooled.
type sentFrame struct{ frame, buf []byte }

// Limits of the frames that are kept while the other side acknowledges none.
const (
	maxUnconfirmed = 2 * window // for a blockWriter, which then waits
	maxKept        = 1 << 16    // for all frames; the conn then fails
)

// counted reports whether frames of this type are numbered and kept in the history.
func (t frameType) counted() bool {
	return t != frameHello && t != frameAlive && t != frameResumed
}

// add keeps a frame that is about to be written, and its buffer. It fails if the history
// is full.
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

// hasRoom reports whether the blockWriter may add one more frame.
func (h *history) hasRoom() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.kept) < maxUnconfirmed
}

// wrote records that the next frame has been written whole.
func (h *history) wrote() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written++
	h.release()
}

// ack records that the other side has received the first n frames. It fails if fewer
// were sent.
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

// release drops the frames that were both written and received. The caller holds h.mu.
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

// resumeAt prepares the replay over another line: the other side has received the first
// n frames, and next returns those after them again. It fails if fewer were sent or more
// were acknowledged.
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

// next returns the first frame that has not been written to the line, or nil.
func (h *history) next() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at := h.written - h.gone; at < uint64(len(h.kept)) {
		return h.kept[at].frame
	}
	return nil
}

// ends reports whether the newest frame is of type t and the other side has acknowledged
// it.
func (h *history) ends(t frameType) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest == t && h.acked == h.gone+uint64(len(h.kept))
}
