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

// creditFrame returns the frame that grants n credits: four bytes, big endian.
func creditFrame(n int) []byte {
	b := make([]byte, frameHeader, frameHeader+creditSize)
	putFrameHeader(b, frameCredit, creditSize)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func unmarshalCredit(b []byte) (int, error) {
	if len(b) != creditSize {
		return 0, transfer.Broken("credit of %d bytes", len(b))
	}
	n := binary.BigEndian.Uint32(b)
	if n == 0 || n > maxCredit {
		return 0, transfer.Broken("credit for %d frames, not 1 to %d", n, maxCredit)
	}
	return int(n), nil
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

// take reports whether n credits were there to be spent.
func (p *purse) take(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n < n {
		return false
	}
	p.n -= n
	return true
}

// A lender keeps the receiver's side of the account.
type lender struct {
	mu   sync.Mutex
	lent int // credits that the sender has, as far as is known here
	owed int // frames that were used up and not asked for again yet
}

// spent counts a frame that came in.
func (l *lender) spent() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lent == 0 {
		return transfer.Broken("more frames than were asked for")
	}
	l.lent--
	return nil
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
