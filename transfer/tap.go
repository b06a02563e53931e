package transfer

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Tap is the source of one of the copies that share a [Hub].
type Tap struct {
	hub     *Hub
	onAlone func(why string)
	own     Source // with which the copy goes on alone; nil: there is none yet
	again   bool   // its sink asks for the offer once more, with every layer
	told    bool   // it has its verdict

	wake    chan struct{} // holds one when there is something to take
	room    chan struct{} // holds one when something was taken
	rest    sync.WaitGroup
	copying context.Context // of the copy
	ctx     context.Context // of Export

	// Hub.mu guards what follows. Where the tap stays apart, open, pushed and given are
	// the resuming goroutine's.
	state    tapState
	offer    *Offer
	plan     *Plan
	dry      bool
	unneeded map[digest.Digest]bool
	queue    []piece
	chunks   int           // in queue
	hungry   bool          // the copy waits for the next piece
	held     time.Duration // for how long it has held back others
	open     *ocispec.Descriptor
	pushed   int64 // bytes of open
	given    map[digest.Digest]ocispec.Descriptor

	seeking atomic.Bool  // a source of its own has not come to where the hub has left off
	skipped atomic.Int64 // bytes that this source gave in vain
}

// tapState is how a tap stands to its hub. It never goes back.
type tapState int

const (
	coming tapState = iota // its plan may yet come
	joined                 // its plan is there: it is exported for
	apart                  // it is alone, has nothing to take, or has ended
)

// A piece is what a copy takes at once: the beginning of a blob, a chunk or the end of
// it, or the end of the export.
type piece struct {
	begin  *ocispec.Descriptor
	stored StoredBlob // the reader of the blob that begins, if it is one
	chunk  *chunk
	end    bool   // of the blob
	over   bool   // the export
	index  *Index // of the export that is over
	err    error  // why the blob or the export is not whole
}

// Held reports whether the copy waits for another one: until that has its plan, or takes
// what it was given.
func (t *Tap) Held() bool {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	return t.state == joined && !t.hub.reading && len(t.queue) == 0
}

// Next returns the offer of the hub's source, and once more if the sink asks for that.
func (t *Tap) Next(ctx context.Context) (*Offer, error) {
	switch {
	case t.own != nil:
		return t.own.Next(ctx)
	case t.told:
		return nil, io.EOF
	case t.again:
		o, err := t.reopen(ctx, whyRetry)
		if err != nil {
			return nil, err
		}
		o.Full = true
		return o, nil
	}
	h := t.hub
	h.start.Do(func() { go h.run() })
	select {
	case <-h.offered:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if h.noOffer != nil {
		return nil, h.noOffer
	}
	o := *h.offer
	return &o, nil
}

// Export puts what the hub exports for this copy. Where it goes on alone, it exports by
// itself.
func (t *Tap) Export(ctx context.Context, o *Offer, p *Plan, w BlobWriter) (*Index, error) {
	if t.own != nil {
		return t.own.Export(ctx, o, p, w)
	}
	defer t.leave()
	if !slices.ContainsFunc(p.Images, func(ip ImagePlan) bool { return ip.Status == Take }) {
		return &Index{}, nil
	}
	t.copying = ctx
	ctx, stop := context.WithCancel(ctx)
	defer t.rest.Wait()
	defer t.leave() // so that no rest begins any more
	defer stop()
	if t.join(ctx, o, p) {
		return t.follow(ctx, w)
	}
	t.leave() // its own source has to act from here on
	t.alone(whyLate)
	if _, err := t.reopen(t.copying, whyLate); err != nil {
		return nil, err
	}
	return t.own.Export(ctx, o, p, w)
}

// join has the hub export for this copy, too. It reports false if it is too late.
func (t *Tap) join(ctx context.Context, o *Offer, p *Plan) bool {
	h := t.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.begun {
		return false
	}
	t.state, t.ctx, t.offer, t.plan, t.dry = joined, ctx, o, p, o.DryRun
	t.unneeded, t.given = Unneeded(o, p), map[digest.Digest]ocispec.Descriptor{}
	signal(h.stir)
	return true
}

// follow puts what comes, until the export is over.
func (t *Tap) follow(ctx context.Context, w BlobWriter) (*Index, error) {
	for {
		p, err := t.next(ctx)
		switch {
		case err != nil:
			return nil, err
		case p.over:
			return p.index, p.err
		}
		b := &tapBlob{t: t, ctx: ctx}
		var r io.Reader = b
		if p.stored != nil {
			r = storedTapBlob{b, p.stored}
		}
		if err := w.Put(ctx, *p.begin, r); err != nil {
			return nil, err
		}
		// Its writer may have had enough; what follows is another blob.
		if _, err := io.Copy(io.Discard, b); err != nil {
			return nil, err
		}
	}
}

// next returns the next piece.
func (t *Tap) next(ctx context.Context) (piece, error) {
	for {
		if p, ok := t.take(); ok {
			return p, nil
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			return piece{}, ctx.Err()
		}
	}
}

// take takes the next piece, if it is there. The copy holds its chunk then.
func (t *Tap) take() (piece, bool) {
	h := t.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	t.hungry = len(t.queue) == 0
	signal(h.stir)
	if t.hungry {
		return piece{}, false
	}
	p := t.queue[0]
	t.queue = t.queue[1:]
	if p.chunk != nil {
		t.chunks--
		signal(t.room)
	}
	return p, true
}

// push adds a piece. hub.mu is held.
func (t *Tap) push(p piece) {
	t.queue = append(t.queue, p)
	t.hungry = false
	signal(t.wake)
}

// begin, give and end push a blob. There is room for what give pushes. hub.mu is held.
func (t *Tap) begin(desc ocispec.Descriptor, stored StoredBlob) {
	t.open, t.pushed = &desc, 0
	t.push(piece{begin: &desc, stored: stored})
}

func (t *Tap) give(c *chunk) {
	c.refs++
	t.chunks++
	t.pushed += int64(c.n)
	t.push(piece{chunk: c})
}

func (t *Tap) end(err error) {
	if err == nil {
		t.given[t.open.Digest] = *t.open
	}
	t.open = nil
	t.push(piece{end: true, err: err})
}

// leave ends what the hub does for the copy.
func (t *Tap) leave() {
	h := t.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	t.state = apart
	for _, p := range t.queue {
		if p.chunk != nil {
			h.release(p.chunk)
		}
	}
	t.queue, t.chunks = nil, 0
	signal(h.stir)
	h.endUnused()
}

// alone tells that the copy goes on alone.
func (t *Tap) alone(why string) {
	if t.onAlone != nil {
		t.onAlone(why)
	}
}

// Settle tells the tap what has become of its offer.
func (t *Tap) Settle(ctx context.Context, out *Outcome) error {
	if out.Retry == "" {
		t.hub.note(out)
	}
	if t.own != nil {
		return t.own.Settle(ctx, out)
	}
	t.again, t.told = out.Retry != "", out.Retry == ""
	return nil
}

// note keeps the first outcome.
func (h *Hub) note(out *Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.settled == nil {
		h.settled = out
	}
}

// Close ends the copy's part in the hub.
func (t *Tap) Close(err error) error {
	t.leave()
	h := t.hub
	h.mu.Lock()
	if h.well = h.well || err == nil; h.failed == nil {
		h.failed = err
	}
	h.mu.Unlock()
	if t.own != nil {
		return t.own.Close(err)
	}
	return nil
}

// owing returns who has to act in place of the source, for the watchdog of the copy:
// nobody while the copy is held by another one.
func (t *Tap) owing(o owing) owing {
	if o != owesBlob && o != owesRest {
		return o
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	switch {
	case t.state != apart && !t.hub.reading:
		return nobody
	case t.seeking.Load():
		return owesBlob
	}
	return o
}

// progress returns how many bytes the source has given that did not get to this copy, or
// not only. It grows while the source gives some.
func (t *Tap) progress() int64 {
	n := t.skipped.Load()
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if t.state == joined {
		n += t.hub.moved.Load()
	}
	return n
}

// A tapBlob reads one blob that the hub gives.
type tapBlob struct {
	t    *Tap
	ctx  context.Context
	cur  *chunk
	at   int
	over error
}

// A storedTapBlob is one of an engine of this host.
type storedTapBlob struct {
	*tapBlob
	StoredBlob
}

func (b *tapBlob) Read(out []byte) (int, error) {
	for b.cur == nil {
		if b.over != nil {
			return 0, b.over
		}
		p, err := b.t.next(b.ctx)
		switch {
		case err != nil:
			b.over = err
		case p.over: // the export has failed, or has left the blob unfinished
			b.over = io.ErrUnexpectedEOF
			if p.err != nil {
				b.over = p.err
			}
		case p.end && p.err != nil:
			b.over = p.err
		case p.end:
			b.over = io.EOF
		case p.chunk.n == 0:
			b.release(p.chunk)
		default:
			b.cur, b.at = p.chunk, 0
		}
	}
	n := copy(out, b.cur.b[b.at:b.cur.n])
	if b.at += n; b.at == b.cur.n {
		b.release(b.cur)
		b.cur = nil
	}
	return n, nil
}

func (b *tapBlob) release(c *chunk) {
	b.t.hub.mu.Lock()
	defer b.t.hub.mu.Unlock()
	b.t.hub.release(c)
}

// signal says something to whoever waits for it, now or later.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
