package wire

import (
	"encoding/binary"
	"sync"

	"github.com/imgsend/imgsend/transfer"
)

// The sender of a blob's frames, blob header, block, blob end, index and end,
// may have only so many of them under way as the receiver has asked for: each
// credit is the right to send one. So the receiver can read all the time, and
// hears of an error at once, however long the engine behind it is silent.
const (
	window    = 16      // frames that a receiver holds
	maxCredit = 1 << 16 // frames that a receiver may ask for
)

// A credit is the right to send so many more frames: four bytes, big endian. Where
// both sides resume, eight more say how many frames have been received.
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

// A purse holds the credits of a sender.
type purse struct {
	mu   sync.Mutex
	n    int
	more chan struct{} // holds one when n may have grown
}

func newPurse() *purse { return &purse{more: make(chan struct{}, 1)} }

// fill adds n credits.
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

// take reports whether a credit was there to be spent.
func (p *purse) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		return false
	}
	p.n--
	return true
}

// A lender keeps the receiver's side of the account.
type lender struct {
	mu   sync.Mutex
	lent int // credits that the sender has, as far as is known here
	owed int // frames that were used up and not asked for again yet
}

// errNoCredit is for a frame that was not asked for.
var errNoCredit = transfer.Broken("more frames than were asked for")

// solvent reports whether a frame may come in.
func (l *lender) solvent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lent > 0
}

// spend counts a frame that came in. The reading goroutine alone does.
func (l *lender) spend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lent--
}

// used counts n frames that were used up, and returns how many credits to grant
// now: a few at a time, as a frame for each would be waste.
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
