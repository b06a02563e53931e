package transfer

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
)

// A Queue is the rounds of a source that has all its images at once: embed it
// to get Next and Settle.
type Queue struct {
	pending []Image
	full    bool
}

// Fill sets the images to offer.
func (q *Queue) Fill(images []Image) { q.pending = images }

// Next offers what has not arrived yet.
func (q *Queue) Next(context.Context) (*Offer, error) {
	if len(q.pending) == 0 {
		return nil, io.EOF
	}
	return &Offer{Images: q.pending, Full: q.full}, nil
}

// Settle takes the arrived images off the queue.
func (q *Queue) Settle(_ context.Context, out *Outcome) error {
	q.full = out.Retry != ""
	if q.full {
		return nil
	}
	arrived := map[digest.Digest]bool{}
	for _, a := range out.Images {
		arrived[a.ID] = true
	}
	var left []Image
	for _, m := range q.pending {
		if !arrived[m.ID] {
			left = append(left, m)
		}
	}
	if len(left) == len(q.pending) {
		return Broken("a round ended without an image")
	}
	q.pending = left
	return nil
}
