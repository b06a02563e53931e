package transfer

import (
	"sync"
	"sync/atomic"
	"time"
)

// Phase is what a transfer is doing.
type Phase int32

// The phases of a transfer, in their order.
const (
	Connecting Phase = iota
	Queued           // the receiving side is busy with another transfer
	Describing       // asking the source what the images are
	Deciding         // asking the user whether to accept them
	Asking           // waiting for the sink to say what it has, or to accept
	Exporting        // waiting for the source's first blob
	Moving           // blobs are on their way
	Loading          // everything is sent; the sink takes it in and verifies it
)

var phaseNames = [...]string{"connecting", "queued", "describing", "deciding", "asking", "exporting", "moving", "loading"}

func (p Phase) String() string {
	if p < 0 || int(p) >= len(phaseNames) {
		return "unknown"
	}
	return phaseNames[p]
}

// Progress counts what a transfer does. It may be read at any time from any
// goroutine; the transfer never waits for its reader. The zero value is ready.
type Progress struct {
	phase atomic.Int32
	// Done and Total are bytes of blobs, as the source gives them. Where the offer has
	// the exact sizes of all layers to move, and only documents besides, both count these
	// layers only, and Total is constant within a round. Else both count all blobs, and
	// Total is an estimate that is corrected once, when all blobs have been read.
	Done, Total atomic.Int64
	// Unsent is how many bytes of Done wait in memory to be written to the stream.
	Unsent atomic.Int64
	// Wire is the number of bytes written to and read from the stream, Content that
	// without signs of life and the like.
	Wire, Content atomic.Int64
	// Image is which image of the offer is copied, counted from 1; 0: not known.
	Image atomic.Int32

	lost atomic.Int64 // since when the line is lost, in nanoseconds of Unix time; 0: it is not

	mu     sync.Mutex
	loaded Loaded
}

// Loaded returns how far the sink has loaded the layers of this round. Of is 0 while
// that is not known.
func (p *Progress) Loaded() Loaded {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loaded
}

// SetLoaded notes how far the sink is. Within a round it never goes back, and it is
// never more than there is to load.
func (p *Progress) SetLoaded(layers, of int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.loaded
	l.Of = max(l.Of, of)
	l.Layers = min(max(l.Layers, layers), l.Of)
	l.Bytes = min(max(l.Bytes, bytes), l.Total)
}

// beginLoad notes what a round is to load.
func (p *Progress) beginLoad(l Loaded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loaded = l
}

// SetLost says since when the line to the other side is lost; the zero time, that
// it is not.
func (p *Progress) SetLost(since time.Time) {
	if since.IsZero() {
		p.lost.Store(0)
		return
	}
	p.lost.Store(since.UnixNano())
}

// Lost returns since when the line is lost, the zero time if it is not.
func (p *Progress) Lost() time.Time {
	if n := p.lost.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// Phase is the current phase.
func (p *Progress) Phase() Phase { return Phase(p.phase.Load()) }

// Enter sets the phase.
func (p *Progress) Enter(ph Phase) { p.phase.Store(int32(ph)) }
