package wire

import (
	"context"
	"sync/atomic"

	"github.com/imgsend/imgsend/transfer"
)

// A blockReader receives frames in order and decompresses data blocks on a few
// workers. The credits that it grants bound its memory: while the consumer is
// slow, the reader grants no more credits.
type blockReader struct {
	c     *conn
	dec   *decoder
	queue chan *inFrame
	work  chan *inFrame
	lender
	long atomic.Bool // queue holds an offer, an index or a listing
}

// An inFrame is one received frame. The consumer must return data blocks with
// release.
type inFrame struct {
	t     frameType
	body  any           // of a control frame: *Offer, Descriptor, *Index, *Listing, endMark, bye or nil
	buf   []byte        // of a data block: the buffer of the payload, then of raw
	n     int           // length of the payload
	raw   []byte        // decompressed data of a data block
	ready chan struct{} // closed when raw or err is set
	err   error
}

// bye is the body of a bye frame.
type bye struct{}

// atOnce is the ready channel of frames that need no decompression.
var atOnce = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func newBlockReader(c *conn, dec *decoder) *blockReader {
	n := workers()
	// Two more places for frames that need no credit: an offer or a listing, and a bye.
	r := &blockReader{c: c, dec: dec, queue: make(chan *inFrame, window+2), work: make(chan *inFrame, window)}
	r.lent = window
	c.wg.Add(n + 1)
	for range n {
		go r.expand()
	}
	go r.read()
	// If the write fails, the reading goroutine reports the error.
	_ = c.write(context.Background(), r.credit(window))
	return r
}

func (r *blockReader) expand() {
	defer r.c.wg.Done()
	for f := range r.work {
		out := r.c.bufs.get()
		f.raw, f.err = r.dec.decode(f.buf[:f.n], out)
		r.c.bufs.put(f.buf)
		f.buf = out
		close(f.ready)
	}
}

// read receives frames until the stream ends. It never waits for the consumer.
func (r *blockReader) read() {
	defer r.c.wg.Done()
	defer close(r.c.drained)
	defer close(r.work)
	r.c.frames(func() error {
		f, err := r.frame()
		if err != nil {
			return err
		}
		if err := r.enqueue(f); err != nil {
			return err
		}
		if f.ready != atOnce {
			r.work <- f
		}
		if f.t == frameBye {
			return errBye
		}
		return nil
	})
}

func (r *blockReader) enqueue(f *inFrame) error {
	select {
	case r.queue <- f:
		return nil
	default:
		return errNoCredit
	}
}

// frame receives one frame. If the line breaks inside the frame, nothing is counted: the
// sender sends the whole frame again over the next line.
func (r *blockReader) frame() (*inFrame, error) {
	t, n, err := r.c.header()
	if err != nil {
		return nil, err
	}
	costs := false
	switch t {
	case frameBlob, frameBlock, frameBlobEnd, frameIndex, frameEnd:
		if costs = true; !r.solvent() {
			return nil, errNoCredit
		}
	}
	long := t == frameOffer || t == frameIndex || t == frameListing
	if long && r.long.Load() { // at most one of them is queued
		return nil, transfer.Broken("frame type %d out of turn", t)
	}
	f := &inFrame{t: t, ready: atOnce}
	if t == frameBlock {
		err = r.block(f, n)
	} else {
		f.body, err = r.control(t, n)
	}
	if err != nil {
		return nil, err
	}
	if long {
		r.long.Store(true)
	}
	if costs {
		r.spend()
	}
	r.c.resume.got.Add(1)
	return f, nil
}

func (r *blockReader) block(f *inFrame, n int) error {
	f.buf, f.n = r.c.bufs.get(), n
	if err := r.c.payload(frameBlock, f.buf[:n]); err != nil {
		r.c.bufs.put(f.buf)
		return err
	}
	if n > 0 && f.buf[0] == codecNone {
		f.raw, f.err = r.dec.decode(f.buf[:n], nil)
	} else {
		f.ready = make(chan struct{})
	}
	return nil
}

// control reads the payload of a control frame and returns its body.
func (r *blockReader) control(t frameType, n int) (any, error) {
	switch t {
	case frameOffer:
		o := new(transfer.Offer)
		return o, r.c.json(t, n, o)
	case frameIndex:
		x := new(transfer.Index)
		return x, r.c.json(t, n, x)
	case frameListing:
		l := new(Listing)
		return l, r.c.json(t, n, l)
	case frameBye:
		return bye{}, nil
	case frameBlobEnd:
		return nil, nil
	case frameBlob, frameEnd:
		b := make([]byte, n)
		if err := r.c.payload(t, b); err != nil {
			return nil, err
		}
		if t == frameEnd {
			return unmarshalEnd(b)
		}
		d, err := unmarshalBlob(b)
		return d, err
	}
	return nil, transfer.Broken("frame type %d does not come from a sender", t)
}

// next returns the next frame. It returns all frames that were received before it
// reports that the stream failed.
func (r *blockReader) next(ctx context.Context) (*inFrame, error) {
	var f *inFrame
	select {
	case f = <-r.queue:
	default:
		select {
		case f = <-r.queue:
		case <-r.c.failed:
			return nil, r.c.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	<-f.ready
	switch f.t {
	case frameOffer, frameIndex, frameListing:
		r.long.Store(false)
	}
	switch f.t {
	case frameBlob, frameBlobEnd, frameIndex, frameEnd:
		r.grant(ctx, 1)
	}
	return f, f.err
}

// release returns the buffer of a data block to the pool. f may be nil.
func (r *blockReader) release(ctx context.Context, f *inFrame) {
	if f != nil {
		r.c.bufs.put(f.buf)
		f.buf, f.raw = nil, nil
		r.grant(ctx, 1)
	}
}

// grant counts n frames as consumed, and grants the sender credits for as many when
// enough have accumulated (see [lender.used]).
func (r *blockReader) grant(ctx context.Context, n int) {
	if n = r.used(n); n > 0 {
		_ = r.c.write(ctx, r.credit(n))
	}
}

// credit returns the frame that grants n credits.
func (r *blockReader) credit(n int) []byte {
	return credit{n, r.c.resume.got.Load()}.marshal(r.c.resume.on)
}

// close frees the decoder. The stream's goroutines must have ended.
func (r *blockReader) close() { r.dec.close() }
