package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Request is what a [Receiver] that has dialed asks for.
type Request struct {
	// Names are names or digests of images, as the sender knows them. None: whatever
	// is offered to this receiver.
	Names []string `json:"names,omitempty"`
	// List asks for the [Listing] and for no image.
	List bool `json:"list,omitempty"`
}

// Limits of a request and of a listing; their images are limited as those of an offer.
const (
	maxWanted     = transfer.MaxImages
	maxWantedName = 512 // bytes: a reference with a tag and a digest is shorter
	maxListedSize = 1 << 56
)

// Check reports what is wrong with a request.
func (q *Request) Check() error {
	if len(q.Names) > maxWanted {
		return fmt.Errorf("%d names, over the limit of %d", len(q.Names), maxWanted)
	}
	for _, name := range q.Names {
		if name == "" || len(name) > maxWantedName || !isPlain(name) || strings.Contains(name, " ") {
			return fmt.Errorf("%.80q is no name of an image", name)
		}
	}
	return nil
}

// A Listing is what a sender offers to the receiver that asks. In one that came over a
// stream every field is a claim of the other side, and fit to be shown.
type Listing struct {
	Images []Listed `json:"images"`
}

// A Listed is one image of a [Listing].
type Listed struct {
	// ID is what the sender's engine calls the image.
	ID digest.Digest `json:"id"`
	// Names are those under which the image can be asked for.
	Names    []string         `json:"names,omitempty"`
	Size     int64            `json:"size"` // in bytes
	Platform ocispec.Platform `json:"platform"`
	Created  time.Time        `json:"created,omitzero"`
}

// check reports what is wrong with a listing.
func (l *Listing) check() error {
	if len(l.Images) > transfer.MaxImages {
		return fmt.Errorf("listing of %d images, over the limit of %d", len(l.Images), transfer.MaxImages)
	}
	names := 0
	for i := range l.Images {
		m := &l.Images[i]
		if err := m.ID.Validate(); err != nil {
			return fmt.Errorf("listed image %d: %.80q: %w", i, m.ID, err)
		}
		if m.Size < 0 || m.Size > maxListedSize {
			return fmt.Errorf("listed image %d of %d bytes", i, m.Size)
		}
		if names += len(m.Names); names > transfer.MaxTotal {
			return fmt.Errorf("listing of more than %d names", transfer.MaxTotal)
		}
	}
	return nil
}

// clean makes a listing fit to be shown.
func (l *Listing) clean() {
	for i := range l.Images {
		m := &l.Images[i]
		for j, name := range m.Names {
			m.Names[j] = clip(transfer.Printable(name), maxWantedName)
		}
		cleanPlatform(&m.Platform)
	}
}

// Wants returns what a receiver that has dialed asks for, and nil of one that was
// dialed. It waits until that is known; [Sender.Plan] does so too. After a request for
// the listing, [Sender.List] follows, and Plan after any other.
func (s *Sender) Wants(ctx context.Context) (*Request, error) {
	if !s.listens || s.wants != nil {
		return s.wants, nil
	}
	var q *Request
	err := inTurn(ctx, "has not said what it wants", s.Lost, func(ctx context.Context) error {
		body, err := s.await(ctx)
		if err == nil {
			q = body.(*Request)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, &transfer.Error{Kind: transfer.KindRefused, Err: err}
	}
	s.wants = q
	return q, nil
}

// List answers the request for the listing. It returns when the receiver has it, and
// Close follows.
func (s *Sender) List(ctx context.Context, l *Listing) error {
	if err := l.check(); err != nil {
		return &transfer.Error{Kind: transfer.KindUsage, Err: err, Hint: "offer fewer images"}
	}
	q, err := s.Wants(ctx)
	switch {
	case err != nil:
		return err
	case q == nil || !q.List:
		return errors.New("nobody has asked for a listing")
	}
	s.listed.Store(true)
	s.turn.Store(uint32(frameBye))
	if err := s.writeJSON(ctx, frameListing, l); err != nil {
		return err
	}
	return inTurn(ctx, "has not taken the listing", s.Lost, func(ctx context.Context) error {
		select {
		case <-s.drained:
			return s.Err()
		case <-s.failed:
			return s.err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// over reports whether the receiver has the listing. Then it need not come back to say
// bye.
func (s *Sender) over() bool { return s.listed.Load() && s.resume.sent.ends(frameListing) }

// Listing returns what the sender offers, to a receiver that has asked for that. Close
// follows.
func (r *Receiver) Listing(ctx context.Context) (*Listing, error) {
	var f *inFrame
	excused := func() bool { return r.Lost() || r.Waiting() }
	err := inTurn(ctx, "has not said what it offers", excused, func(ctx context.Context) (err error) {
		f, err = r.in.next(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	l, ok := f.body.(*Listing)
	if !ok {
		return nil, transfer.Broken("frame type %d where a listing belongs", f.t)
	}
	if err := l.check(); err != nil {
		return nil, transfer.Broken("%w", err)
	}
	l.clean()
	if r.resume.on {
		// The sender need not wait for this side to come back, if the bye is lost.
		_ = r.writeJSON(ctx, frameAlive, r.sign())
	}
	return l, nil
}

// turnTime is how long the other side may take for what it owes outside of a copy, whose
// watchdog judges all that comes later.
const turnTime = time.Minute

// inTurn calls wait, which waits for the other side, and ends that when it has taken too
// long. Times in which that is excused do not count.
func inTurn(ctx context.Context, blame string, excused func() bool, wait func(context.Context) error) error {
	const ticks = 60
	limited, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel(nil)
	watch.Go(func() {
		tick := time.NewTicker(turnTime / ticks)
		defer tick.Stop()
		for waited := 0; waited < ticks; {
			select {
			case <-tick.C:
				if !excused() {
					waited++
				}
			case <-limited.Done():
				return
			}
		}
		cancel(transfer.Broken("the other side %s for %v", blame, turnTime))
	})
	err := wait(limited)
	if cause := context.Cause(limited); err != nil && ctx.Err() == nil && cause != nil {
		return cause
	}
	return err
}
