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

// A Request is what a [Receiver] that dialed asks for.
type Request struct {
	// Names are the sender's names or digests of the images. If there are none, the
	// receiver asks for all images that the sender offers to it.
	Names []string `json:"names,omitempty"`
	// List asks for the [Listing] instead of images.
	List bool `json:"list,omitempty"`
}

// Limits of a request and of a listing. Both may have as many images as an offer.
const (
	maxWanted     = transfer.MaxImages
	maxWantedName = 512 // bytes: a reference with a tag and a digest is shorter
	maxListedSize = 1 << 56
)

// Check returns an error if q has too many names, or a name that cannot be an image's.
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

// A Listing describes the images that a sender offers to a receiver. In a received
// Listing, every field is an unverified claim of the sender and is safe to print.
type Listing struct {
	Images []Listed `json:"images"`
}

// A Listed is one image of a [Listing].
type Listed struct {
	// ID is the image ID in the sender's engine.
	ID digest.Digest `json:"id"`
	// Names are the names by which a [Request] can ask for the image.
	Names    []string         `json:"names,omitempty"`
	Size     int64            `json:"size"` // in bytes
	Platform ocispec.Platform `json:"platform"`
	Created  time.Time        `json:"created,omitzero"`
}

// check returns an error if a listing is over the limits or has an invalid ID.
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

// clean makes a received listing safe to print.
func (l *Listing) clean() {
	for i := range l.Images {
		m := &l.Images[i]
		for j, name := range m.Names {
			m.Names[j] = clip(transfer.Printable(name), maxWantedName)
		}
		cleanPlatform(&m.Platform)
	}
}

// Wants waits for the request of a receiver that dialed and returns it. If this side
// dialed, it returns nil. Later calls return the same request; [Sender.Plan] calls Wants
// if the caller has not. The caller answers a request for the listing with [Sender.List],
// and any other with Plan.
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

// List answers the request for the listing. It returns when the receiver has ended the
// stream. The caller must then call Close.
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

// over reports whether the receiver has acknowledged the listing. If the line breaks
// then, the receiver need not dial again to send bye.
func (s *Sender) over() bool { return s.listed.Load() && s.resume.sent.ends(frameListing) }

// Listing waits for the sender's listing, which the receiver must have requested. The
// caller must then call Close.
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
		// Acknowledge the listing: if the bye is lost, the sender need not wait for it.
		_ = r.writeJSON(ctx, frameAlive, r.sign())
	}
	return l, nil
}

// turnTime is how long the other side may take for a frame outside of [transfer.Copy],
// which has its own watchdog.
const turnTime = time.Minute

// inTurn calls wait, which waits for the other side, and cancels its context after
// turnTime. Time during which excused reports true does not count. blame completes the
// error message "the other side ...".
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
