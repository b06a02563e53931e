package wire

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Receiver is the receiving end of a stream: the [transfer.Source] that imgrecv
// copies from. Everything that it returns is an unverified claim of the [Sender] at the
// other end.
type Receiver struct {
	*conn
	in *blockReader

	fetches bool        // this side dialed and sent a request
	last    atomic.Bool // the latest result asks for no retry, so it is the last one
}

var (
	_ transfer.Source = (*Receiver)(nil)
	_ transfer.Remote = (*Receiver)(nil)
)

// NewReceiver exchanges hellos with the sender at the other end of s, which dialed. The
// Receiver owns s, and Close closes it. If NewReceiver fails, it closes s. The transfer
// does not resume if s breaks; for that, use [Sessions.Receive].
func NewReceiver(ctx context.Context, s Stream, mine Hello, o StreamOptions) (*Receiver, error) {
	o.RetryFor = 0
	return new(Sessions).Receive(ctx, s, "", mine, o)
}

// NewFetcher exchanges hellos with the sender at the other end of s, which this side
// dialed, and sends it a request. Next returns the sender's offer, or Listing its listing.
// The Receiver owns s, and Close closes it. If NewFetcher fails, it closes s.
func NewFetcher(ctx context.Context, s Stream, mine Hello, want Request, o StreamOptions) (*Receiver, error) {
	if err := want.Check(); err != nil {
		_ = s.Close()
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: err}
	}
	if o.Redial == nil {
		o.RetryFor = 0
	}
	r := newReceiver(s, o)
	r.fetches = true
	err := r.hello(ctx, mine)
	if err == nil {
		r.dials(mine, o)
		err = r.start()
	}
	if err != nil {
		r.reject(err)
		return nil, err
	}
	if err := r.writeJSON(ctx, frameWant, want); err != nil {
		_ = r.Close(err)
		return nil, err
	}
	return r, nil
}

func newReceiver(s Stream, o StreamOptions) *Receiver {
	r := &Receiver{conn: newConn(s, o)}
	r.loads = true
	return r
}

// start starts the goroutines of the Receiver.
func (r *Receiver) start() error {
	dec, err := newDecoder(workers())
	if err != nil {
		return err
	}
	r.resume.over = r.over
	r.in = newBlockReader(r.conn, dec)
	r.wg.Add(1)
	go r.beat()
	return nil
}

// Waiting reports whether the sender's time for an offer is not limited: a sender that
// was dialed may serve another peer first, or ask its user.
func (r *Receiver) Waiting() bool { return r.fetches && r.conn.Waiting() }

// over reports whether the sender has acknowledged the last result. If the line breaks
// then, the sender need not come back to send bye, and over queues one in its place.
func (r *Receiver) over() bool {
	if !r.last.Load() || !r.resume.sent.ends(frameResult) {
		return false
	}
	return r.in.enqueue(&inFrame{t: frameBye, body: bye{}, ready: atOnce}) == nil
}

// Next waits for the sender's next offer and returns it, validated and safe to print. It
// returns io.EOF after the sender's bye.
func (r *Receiver) Next(ctx context.Context) (*transfer.Offer, error) {
	f, err := r.in.next(ctx)
	if err != nil {
		return nil, err
	}
	switch body := f.body.(type) {
	case *transfer.Offer:
		switch err := body.Validate(); {
		case transfer.KindOf(err) == transfer.KindRefused:
			return nil, err
		case err != nil:
			return nil, transfer.Broken("%w", err)
		}
		if err := answerable(body); err != nil {
			return nil, refused(err)
		}
		cleanOffer(body)
		return body, nil
	case bye:
		return nil, io.EOF
	}
	return nil, transfer.Broken("frame type %d where an offer belongs", f.t)
}

// Export sends p as the answer to the offer, passes each blob that the sender sends to
// w, and returns the sender's index. w must read each blob to its end.
func (r *Receiver) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	if err := r.writeJSON(ctx, frameAnswer, p); err != nil {
		return nil, err
	}
	if o.DryRun || p.DryRun {
		return &transfer.Index{}, nil
	}
	var got endMark
	for {
		f, err := r.in.next(ctx)
		if err != nil {
			return nil, err
		}
		switch body := f.body.(type) {
		case ocispec.Descriptor:
			blob := &blobReader{ctx: ctx, in: r.in, left: body.Size}
			if err := w.Put(ctx, body, blob); err != nil {
				return nil, err
			}
			if !blob.ended {
				return nil, fmt.Errorf("blob %s was not read to its end", body.Digest)
			}
			got.blobs++
			got.bytes += uint64(body.Size)
		case *transfer.Index:
			return body, r.end(ctx, got)
		default:
			return nil, transfer.Broken("frame type %d where a blob or the index belongs", f.t)
		}
	}
}

// end reads the end frame and checks it against the blobs and bytes received.
func (r *Receiver) end(ctx context.Context, got endMark) error {
	f, err := r.in.next(ctx)
	if err != nil {
		return err
	}
	sent, ok := f.body.(endMark)
	if !ok {
		return transfer.Broken("frame type %d where the end belongs", f.t)
	}
	if sent != got {
		return transfer.Broken("%d blobs of %d bytes were sent, %d of %d received", sent.blobs, sent.bytes, got.blobs, got.bytes)
	}
	return nil
}

// Settle sends the sender the result of the round.
func (r *Receiver) Settle(ctx context.Context, out *transfer.Outcome) error {
	r.last.Store(out.Retry == "")
	return r.writeJSON(ctx, frameResult, out)
}

// Close ends the transfer and closes the stream. If err is not nil, it tells the sender.
func (r *Receiver) Close(err error) error {
	if err != nil {
		r.fail(err)
	}
	if r.enter(parting) {
		r.farewell(err)
		r.leaveSessions()
		r.in.close()
	}
	return nil
}

// A blobReader reads the data blocks of one blob. It returns io.EOF only at the
// explicit end of the blob.
type blobReader struct {
	ctx   context.Context
	in    *blockReader
	cur   *inFrame
	rest  []byte
	left  int64 // bytes of the size in the header not received yet
	ended bool
}

func (b *blobReader) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		b.in.release(b.ctx, b.cur)
		b.cur = nil
		if b.ended {
			return 0, io.EOF
		}
		f, err := b.in.next(b.ctx)
		if err != nil {
			return 0, err
		}
		switch f.t {
		case frameBlock:
			b.cur, b.rest = f, f.raw
			b.left -= int64(len(f.raw))
			if b.left < 0 {
				return 0, transfer.Broken("blob is longer than its header says")
			}
		case frameBlobEnd:
			if b.left > 0 {
				return 0, transfer.Broken("blob ends %d bytes early", b.left)
			}
			b.ended = true
		default:
			return 0, transfer.Broken("frame type %d inside a blob", f.t)
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}
