package transfer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
)

// DefaultLag is the Lag of a [Hub] that sets none.
const DefaultLag = 30 * time.Second

// A Hub lets several copies of the same images share one source, which is exported
// once. Each copy has a [Tap] of the hub as its source, and otherwise everything of
// its own: sink, plan, verification, watchdog, report.
//
// The hub waits until each copy has a plan, exports what any of them lacks, and gives
// each blob to the copies that lack it. A copy that fails drops out. A copy goes on
// alone, with a source of its own, when
//
//   - it has held back the others for longer than the lag, in all: they had nothing to
//     do but to wait until it took more,
//   - its plan came more than the lag after the first one,
//   - its sink asks for a retry with every layer.
type Hub struct {
	src   Source
	lag   time.Duration
	again func(context.Context) (Source, error)

	ctx     context.Context // of what is asked of src
	cancel  context.CancelCauseFunc
	start   sync.Once
	offered chan struct{} // closed when offer or noOffer is set
	offer   *Offer
	noOffer error
	ended   chan struct{} // closed when run has ended
	moved   atomic.Int64  // bytes that src gave

	mu       sync.Mutex // guards what follows, and the taps
	taps     []*Tap
	begun    bool          // the export has: a plan that comes now is late
	reading  bool          // the hub waits for src, and not for a copy
	stir     chan struct{} // holds one when a tap has changed
	free     []*chunk
	settled  *Outcome // of the first copy that ended well
	well     bool     // a copy has ended without an error
	exported bool     // the export has ended without an error
	failed   error    // the first error of a copy
}

// HubOptions are the settings of a [Hub].
type HubOptions struct {
	// Lag is for how long one copy may hold back the others. Default [DefaultLag].
	Lag time.Duration
	// Again opens the source once more, for a copy that goes on alone, while the first one
	// is in use. Several copies may call it at the same time. nil: the source can be read
	// only once, and such a copy fails.
	Again func(context.Context) (Source, error)
}

// NewHub returns a hub over src, which it owns. ctx ends what it asks of src. The
// caller must call Close.
func NewHub(ctx context.Context, src Source, o HubOptions) *Hub {
	h := &Hub{src: src, lag: o.Lag, again: o.Again, offered: make(chan struct{}), ended: make(chan struct{}), stir: make(chan struct{}, 1)}
	if h.lag <= 0 {
		h.lag = DefaultLag
	}
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	return h
}

// Tap adds a copy and returns its source. All taps must be added before the first one
// is copied. The hub waits for each of them: one that will not be copied must be closed.
// onAlone, if not nil, is told why the copy goes on alone, at any time and on any goroutine.
func (h *Hub) Tap(onAlone func(why string)) *Tap {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := &Tap{hub: h, onAlone: onAlone, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	h.taps = append(h.taps, t)
	return t
}

// Close closes the source. All copies must have ended.
func (h *Hub) Close() error {
	h.cancel(errClosed)
	h.start.Do(func() { close(h.ended) })
	<-h.ended
	if h.well {
		var err error
		if h.settled != nil && h.exported {
			err = h.src.Settle(context.WithoutCancel(h.ctx), h.settled)
		}
		return errors.Join(err, h.src.Close(nil))
	}
	if h.failed == nil {
		h.failed = errClosed
	}
	return h.src.Close(h.failed)
}

// run uses the source, from its offer to the end of its export.
func (h *Hub) run() {
	defer close(h.ended)
	h.offer, h.noOffer = h.src.Next(h.ctx)
	close(h.offered)
	if h.noOffer != nil {
		return
	}
	if group := h.gather(); len(group) > 0 {
		h.export(group)
	}
}

// gather returns the copies to export for, once each has brought its plan or stays
// apart, or the first one has waited for the lag.
func (h *Hub) gather() []*Tap {
	timer := time.NewTimer(h.lag)
	defer timer.Stop()
	waiting := false
	for {
		group, missing := h.joined(false)
		if !waiting && len(group) > 0 {
			waiting = true
			timer.Reset(h.lag)
		}
		if !missing {
			return group
		}
		select {
		case <-h.stir:
		case <-timer.C:
			if waiting = len(group) > 0; waiting {
				group, _ = h.joined(true)
				return group
			}
		case <-h.ctx.Done():
			group, _ = h.joined(true)
			return group
		}
	}
}

// joined returns the copies that have brought their plan, and whether others may
// still. If none may, or if last is set, the export begins.
func (h *Hub) joined(last bool) (group []*Tap, missing bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.taps {
		switch t.state {
		case joined:
			group = append(group, t)
		case coming:
			missing = true
		}
	}
	h.begun = last || !missing
	return group, missing
}

// endUnused ends the export once no copy takes part in it any more. h.mu is held.
func (h *Hub) endUnused() {
	if h.begun && !anyJoined(h.taps) {
		h.cancel(errNobody)
	}
}

// anyJoined reports whether one of the copies takes part in the export. hub.mu is held.
func anyJoined(taps []*Tap) bool {
	return slices.ContainsFunc(taps, func(t *Tap) bool { return t.state == joined })
}

// export exports once for a group of copies. Dry runs take part only where there is
// nothing else.
func (h *Hub) export(group []*Tap) {
	var takers, dry []*Tap
	for _, t := range group {
		if t.dry {
			dry = append(dry, t)
		} else {
			takers = append(takers, t)
		}
	}
	o := *h.offer
	if o.DryRun = len(takers) == 0; o.DryRun {
		takers, dry = dry, nil
	}
	h.mu.Lock()
	for _, t := range dry {
		t.push(piece{over: true, index: &Index{}})
	}
	h.reading = true
	h.mu.Unlock()

	p := union(&o, takers)
	x, err := h.src.Export(h.ctx, &o, p, &splitter{hub: h, group: takers, whose: h.owners(&o), plan: p})

	h.mu.Lock()
	defer h.mu.Unlock()
	h.reading, h.exported = false, err == nil
	for _, t := range takers {
		if t.state != joined {
			continue
		}
		over := piece{over: true, err: err}
		if err == nil {
			over.index = cut(x, p, t.plan)
		}
		t.push(over)
	}
}

// union returns the plan of a sink that lacks what any of the copies lacks.
func union(o *Offer, taps []*Tap) *Plan {
	u := &Plan{Images: make([]ImagePlan, len(o.Images)), KnowsSizes: true, DryRun: o.DryRun}
	for i := range u.Images {
		u.Images[i].Status = Whole
	}
	for _, t := range taps {
		u.KnowsSizes = u.KnowsSizes && t.plan.KnowsSizes
		for i, ip := range t.plan.Images {
			to := &u.Images[i]
			if ip.Status != Take {
				continue
			}
			if to.Status == Whole {
				to.Status, to.Have = Take, append([]bool{}, ip.Have...)
				continue
			}
			for j := range to.Have {
				to.Have[j] = to.Have[j] && ip.Have[j]
			}
		}
	}
	return u
}

// cut returns the part of an index of plan u that plan p takes.
func cut(x *Index, u, p *Plan) *Index {
	out := &Index{}
	n := 0
	for i, ip := range u.Images {
		if ip.Status != Take || n == len(x.Images) {
			continue
		}
		if p.Images[i].Status == Take {
			out.Images = append(out.Images, x.Images[n])
		}
		n++
	}
	return out
}

// A BlobLister is a [Source] that knows which blobs come with an image before it
// exports them. With one a [Hub] can tell whose blob it is that no offer lists, such as a
// layer for another platform.
type BlobLister interface {
	// Blobs returns the digests of all blobs of an offered image, nil if they are not
	// known.
	Blobs(id digest.Digest) []digest.Digest
}

// owners returns in which images of the offer each blob is, as far as that is known.
func (h *Hub) owners(o *Offer) map[digest.Digest][]int {
	lister, _ := h.src.(BlobLister)
	whose := map[digest.Digest][]int{}
	for i := range o.Images {
		m := &o.Images[i]
		blobs := []digest.Digest{m.Config, m.Root}
		for _, l := range m.Layers {
			blobs = append(blobs, l.Digest)
		}
		if lister != nil {
			blobs = append(blobs, lister.Blobs(m.ID)...)
		}
		for _, d := range blobs {
			if n := len(whose[d]); d != "" && (n == 0 || whose[d][n-1] != i) {
				whose[d] = append(whose[d], i)
			}
		}
	}
	return whose
}
