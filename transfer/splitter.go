package transfer

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// errNobody ends an export that no copy takes anything of any more.
var errNobody = errors.New("every copy has ended")

// Why a copy goes on alone.
const (
	whyLags  = "it takes less than the others"
	whyLate  = "the others have begun"
	whyOther = "it lacks other images than the others"
	whyRetry = "it needs every layer"
)

// A splitter gives each blob that is put to the copies that want it.
type splitter struct {
	hub   *Hub
	group []*Tap
	plan  *Plan                   // of the export
	whose map[digest.Digest][]int // see owners
}

func (s *splitter) Put(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	to, err := s.begin(desc, r)
	if err != nil {
		return err
	}
	for {
		c := s.hub.chunk()
		rerr := c.fill(r, func(n int) { s.hub.moved.Add(int64(n)) })
		if to, err = s.give(ctx, to, c); err != nil {
			return err
		}
		switch rerr {
		case nil:
			continue
		case io.EOF:
			rerr = nil
		}
		s.end(to, rerr)
		return rerr
	}
}

// begin begins a blob for the copies that want it, and returns them.
func (s *splitter) begin(desc ocispec.Descriptor, r io.Reader) ([]*Tap, error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if !anyJoined(s.group) {
		return nil, errNobody
	}
	stored, _ := r.(StoredBlob)
	var to []*Tap
	for _, t := range s.group {
		if t.state == joined && s.wants(t, desc.Digest) {
			t.begin(desc, stored)
			to = append(to, t)
		}
	}
	return to, nil
}

// wants reports whether a copy is to have a blob. A blob whose image is not known goes
// to the copies that take every exported image; the others go on alone. hub.mu is held.
func (s *splitter) wants(t *Tap, d digest.Digest) bool {
	if _, given := t.given[d]; given || t.unneeded[d] {
		return false
	}
	images := s.whose[d]
	if len(images) > 0 {
		return slices.ContainsFunc(images, func(i int) bool { return t.plan.Images[i].Status == Take })
	}
	for i, ip := range s.plan.Images {
		if ip.Status == Take && t.plan.Images[i].Status != Take {
			s.hub.part(t, whyOther)
			return false
		}
	}
	return true
}

// give gives a chunk to copies, and returns those that have it. It waits for those that
// have no room, unless they hold back the others for too long.
func (s *splitter) give(ctx context.Context, to []*Tap, c *chunk) ([]*Tap, error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	c.refs = 1
	defer h.release(c)
	for full := slices.Clone(to); ; {
		full = slices.DeleteFunc(full, func(t *Tap) bool {
			if t.state != joined {
				return true
			}
			if t.chunks == maxChunks {
				return false
			}
			t.give(c)
			return true
		})
		if !anyJoined(s.group) {
			return nil, errNobody
		}
		if len(full) == 0 {
			return slices.DeleteFunc(to, func(t *Tap) bool { return t.state != joined }), nil
		}
		if err := s.wait(ctx, full); err != nil {
			return nil, err
		}
	}
}

// wait waits until something changes, at most until one of the copies that are full has
// held back the others for too long: it goes on alone. hub.mu is held, but not meanwhile.
func (s *splitter) wait(ctx context.Context, full []*Tap) error {
	h := s.hub
	var late <-chan time.Time
	held := slices.ContainsFunc(s.group, func(t *Tap) bool { return t.state == joined && t.hungry })
	if held {
		longest := time.Duration(0)
		for _, t := range full {
			longest = max(longest, t.held)
		}
		timer := time.NewTimer(h.lag - longest)
		defer timer.Stop()
		late = timer.C
	}
	began := time.Now()
	h.reading = false
	h.mu.Unlock()
	var err error
	select {
	case <-h.stir:
	case <-late:
	case <-ctx.Done():
		err = ctx.Err()
	}
	h.mu.Lock()
	h.reading = true
	if held {
		for _, t := range full {
			if t.held += time.Since(began); t.held >= h.lag && t.state == joined {
				h.part(t, whyLags)
			}
		}
	}
	return err
}

// end ends a blob, whole or with an error.
func (s *splitter) end(to []*Tap, err error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, t := range to {
		if t.state == joined {
			t.end(err)
		}
	}
}
