package wire

import (
	"encoding/binary"
	"sync"

	"github.com/imgsend/imgsend/transfer"
)

// Flow control: each blob header, block, blob end, index and end frame costs the
// sender one credit, which the receiver must have granted. So the receiver can
// always read, and learns of an error at once, however slow its engine is.
const (
	window    = 16      // frames that a receiver buffers
	maxCredit = 1 << 16 // credits that a sender may hold
)

// A credit is the payload of a credit frame: the number of frames that the sender may
// send in addition, as four bytes, big endian. If both sides resume, eight more bytes,
// big endian, acknowledge the number of counted frames that have been received.
type credit struct {
	frames   int
	received uint64
}

func (c credit) marshal(resumes bool) []byte {
	b := make([]byte, frameHeader, frameHeader+creditSize+ackSize)
	b = binary.BigEndian.AppendUint32(b, uint32(c.frames))
	if resumes {
		b = binary.BigEndian.AppendUint64(b, c.received)
	}
	putFrameHeader(b, frameCredit, len(b)-frameHeader)
	return b
}

func unmarshalCredit(b []byte) (credit, error) {
	var c credit
	switch len(b) {
	case creditSize + ackSize:
		c.received = binary.BigEndian.Uint64(b[creditSize:])
	case creditSize:
	default:
		return c, transfer.Broken("credit of %d bytes", len(b))
	}
	n := binary.BigEndian.Uint32(b)
	if n == 0 || n > maxCredit {
		return c, transfer.Broken("credit for %d frames, not 1 to %d", n, maxCredit)
	}
	c.frames = int(n)
	return c, nil
}

// A purse holds the unused credits of a sender.
type purse struct {
	mu   sync.Mutex
	n    int
	more chan struct{} // holds a value when n may have grown
}

func newPurse() *purse { return &purse{more: make(chan struct{}, 1)} }

// fill adds n credits. It fails if the sender then has more than maxCredit.
func (p *purse) fill(n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n += n; p.n > maxCredit {
		return transfer.Broken("credit for %d frames, more than %d", p.n, maxCredit)
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
	return nil
}

// take spends a credit. It reports false if there is none.
func (p *purse) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		return false
	}
	p.n--
	return true
}

// A lender counts credits at the receiver.
type lender struct {
	mu   sync.Mutex
	lent int // credits granted, less the frames received that cost one
	owed int // frames consumed for which no new credit has been granted
}

// errNoCredit is the error for a frame that the sender had no credit for.
var errNoCredit = transfer.Broken("more frames than were asked for")

// solvent reports whether the sender has a credit left.
func (l *lender) solvent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lent > 0
}

// spend counts a received frame. Only the reading goroutine calls it.
func (l *lender) spend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lent--
}

// used counts n consumed frames, and returns the number of credits to grant now. It
// returns 0 until at least window/4 are due, to save credit frames.
func (l *lender) used(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owed += n
	if l.owed < window/4 {
		return 0
	}
	n, l.owed = l.owed, 0
	l.lent += n
	return n
}
