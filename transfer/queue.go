package transfer

import (
	"context"
	"io"
)

// A Queue is the rounds of a source that has all its images at once: embed it
// to get Next and Settle.
type Queue struct {
	pending []Image
	full    bool
}

// Fill sets the images to offer.
func (q *Queue) Fill(images []Image) { q.pending = images }

// Next offers the images until they have arrived.
func (q *Queue) Next(context.Context) (*Offer, error) {
	if len(q.pending) == 0 {
		return nil, io.EOF
	}
	return &Offer{Images: q.pending, Full: q.full}, nil
}

// Settle empties the queue, unless the round is to be repeated: all images of a round
// arrive, or none.
func (q *Queue) Settle(_ context.Context, out *Outcome) error {
	if q.full = out.Retry != ""; !q.full {
		q.pending = nil
	}
	return nil
}
