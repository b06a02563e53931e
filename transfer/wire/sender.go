package wire

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Sender is the sending end of a stream: the [transfer.Sink] that imgsend copies to.
// Its answers and results are those of the [Receiver] at the other end.
type Sender struct {
	*conn
	out     *blockWriter
	replies chan reply
	listens bool        // the receiver dialed, and sends a request
	wants   *Request    // the request, or nil if none has been received
	listed  atomic.Bool // the listing is being sent or has been sent
	dryRun  atomic.Bool // the offer is for a dry run
	round   endMark     // blobs and bytes sent in this round
	// turn is the type of the frame that the receiver has to send next, or 0: want after
	// its hello, answer after an offer, result after an end, bye after the answer of a
	// dry run or after the listing.
	turn atomic.Uint32
}

var (
	_ transfer.Sink   = (*Sender)(nil)
	_ transfer.Remote = (*Sender)(nil)
)

// A reply is the body of one control frame of the receiver: *Request, *Plan or *Outcome.
type reply any

// NewSender exchanges hellos with the receiver at the other end of s, which this side
// dialed. The Sender owns s, and Close closes it. If NewSender fails, it closes s.
func NewSender(ctx context.Context, s Stream, mine Hello, o StreamOptions) (*Sender, error) {
	if o.Redial == nil {
		o.RetryFor = 0
	}
	snd := newSender(s, o)
	if err := snd.hello(ctx, mine); err != nil {
		snd.reject(err)
		return nil, err
	}
	snd.dials(mine, o)
	snd.start(o)
	return snd, nil
}

func newSender(s Stream, o StreamOptions) *Sender {
	return &Sender{conn: newConn(s, o), replies: make(chan reply, 1)}
}

// start starts the goroutines of the Sender.
func (s *Sender) start(o StreamOptions) {
	s.out = newBlockWriter(s.conn, newTuner(o.Compression), o.Blocks)
	s.wg.Add(2)
	go s.read()
	go s.beat()
}

// read receives frames until the stream ends.
func (s *Sender) read() {
	defer s.wg.Done()
	defer close(s.drained)
	s.frames(s.frame)
}

// frame receives one frame.
func (s *Sender) frame() error {
	t, n, err := s.header()
	if err != nil {
		return err
	}
	var body reply
	switch t {
	case frameCredit:
		b := make([]byte, n)
		if err := s.payload(t, b); err != nil {
			return err
		}
		s.resume.got.Add(1)
		c, err := unmarshalCredit(b)
		if err == nil {
			err = s.acked(c.received)
		}
		if err != nil {
			return err
		}
		return s.out.credit.fill(c.frames)
	case frameWant:
		body = new(Request)
	case frameAnswer:
		body = new(transfer.Plan)
	case frameResult:
		body = new(transfer.Outcome)
	case frameBye:
		if s.live() && s.turn.Load() != uint32(frameBye) {
			return transfer.Broken("the receiver ended the transfer early")
		}
		return errBye
	default:
		return transfer.Broken("frame type %d does not come from a receiver", t)
	}
	if s.turn.Load() != uint32(t) {
		return transfer.Broken("frame type %d out of turn", t)
	}
	if err := s.json(t, n, body); err != nil {
		return err
	}
	s.turn.Store(0)
	s.resume.got.Add(1)
	if p, ok := body.(*transfer.Plan); ok && (p.DryRun || s.dryRun.Load()) {
		s.turn.Store(uint32(frameBye))
	}
	s.replies <- body // never blocks: turn allows one reply at a time
	return nil
}

// await waits for the reply that turn allows and returns it.
func (s *Sender) await(ctx context.Context) (reply, error) {
	var err error
	select {
	case body := <-s.replies:
		return body, nil
	case <-s.failed:
		err = s.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	// Return a reply that was received before the failure.
	select {
	case body := <-s.replies:
		return body, nil
	default:
		return nil, err
	}
}

// Plan sends the offer and returns the receiver's answer.
func (s *Sender) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	if _, err := s.Wants(ctx); err != nil {
		return nil, err
	}
	if err := s.takes(o); err != nil {
		return nil, err
	}
	s.round = endMark{}
	s.dryRun.Store(o.DryRun)
	s.turn.Store(uint32(frameAnswer))
	if err := s.writeJSON(ctx, frameOffer, o); err != nil {
		return nil, err
	}
	p, err := s.await(ctx)
	if err != nil {
		return nil, err
	}
	return p.(*transfer.Plan), nil
}

// takes returns an error if an offer is over the receiver's limits.
func (s *Sender) takes(o *transfer.Offer) error {
	few := len(o.Images) <= fewImages
	for i := range o.Images {
		few = few && len(o.Images[i].Refs) <= fewRefs
	}
	if !few && !s.has(featureMany) {
		return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s takes at most %d images at once, and %d names for each", s.peer.Program, fewImages, fewRefs),
			Hint: "update it, or send the images in several transfers"}
	}
	err := transfer.CheckLimits(o.Images)
	if err == nil {
		err = answerable(o)
	}
	if err != nil {
		return &transfer.Error{Kind: transfer.KindUsage, Err: err, Hint: transfer.SeveralGoes}
	}
	return nil
}

// Put sends one blob, which it reads from r to its end. It may return before the blob is
// written to the stream.
func (s *Sender) Put(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	head, err := marshalBlob(desc)
	if err != nil {
		return err
	}
	if err := s.out.control(ctx, head); err != nil {
		return err
	}
	n, err := s.out.copy(ctx, desc.Digest, r, compressed(desc.MediaType))
	if err != nil {
		return err
	}
	s.round.blobs++
	s.round.bytes += uint64(n)
	return s.out.control(ctx, bareFrame(frameBlobEnd))
}

// Commit sends the index, ends the round, and returns the receiver's result.
func (s *Sender) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	index, err := marshalFrame(frameIndex, x)
	if err != nil {
		return nil, err
	}
	s.turn.Store(uint32(frameResult))
	for _, frame := range [][]byte{index, s.round.marshal()} {
		if err := s.out.control(ctx, frame); err != nil {
			return nil, err
		}
	}
	body, err := s.await(ctx)
	if err != nil {
		return nil, err
	}
	out := body.(*transfer.Outcome)
	out.Retry = clip(transfer.Printable(out.Retry), 8<<10)
	if err := out.WellFormed(); err != nil {
		return nil, transfer.Broken("result: %w", err)
	}
	if s.resume.on {
		// Acknowledge the result: if the bye is lost, the receiver need not wait for it.
		_ = s.writeJSON(ctx, frameAlive, s.sign())
	}
	return out, nil
}

// Flush waits until all blobs passed to Put are written to the stream, or kept for
// replay over the next one.
func (s *Sender) Flush(ctx context.Context) error { return s.out.flush(ctx) }

// Close ends the transfer and closes the stream. If err is not nil, it tells the receiver.
func (s *Sender) Close(err error) error {
	if err != nil {
		s.fail(err)
	}
	if s.enter(parting) {
		s.out.stop()
		s.farewell(err)
		s.leaveSessions()
	}
	return nil
}
