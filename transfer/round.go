package transfer

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
)

type copier struct {
	src    Source
	dst    Sink
	opts   Options
	dog    *watchdog
	room   room
	loaded loadCount
	report *Report
	// arrived is whether every image of the last offer has arrived: what fails
	// from here on does not undo it.
	arrived bool

	offered *Offer // the first one, the only one that is accepted
	again   bool   // it is to be repeated with every layer
}

// goesOn returns an error for an unexpected offer: all images arrive in one round, so that
// a second offer can only be the first one again, with every layer.
func (c *copier) goesOn(o *Offer) error {
	same := func(a, b Image) bool { return a.ID == b.ID && slices.Equal(a.Refs, b.Refs) }
	switch {
	case c.offered == nil:
		c.offered = o
	case !c.again:
		return Broken("%s is offered after everything has arrived", o.Images[0].Name())
	case !o.Full || !slices.EqualFunc(o.Images, c.offered.Images, same):
		return Broken("the offer is not repeated as it was, with every layer")
	}
	return nil
}

func (c *copier) round(ctx context.Context, o *Offer) error {
	prog := c.opts.Progress
	o.DryRun = o.DryRun || c.opts.DryRun
	prog.Enter(Asking)
	c.dog.begin(owesPlan)
	plan, err := c.dst.Plan(ctx, o)
	if err != nil {
		return err
	}
	c.dog.begin(nobody)
	if err := plan.Validate(o); err != nil {
		return Broken("plan: %w", err)
	}
	o.DryRun = o.DryRun || plan.DryRun
	plan.DryRun = o.DryRun
	if c.opts.OnPlan != nil {
		c.opts.OnPlan(o, plan)
	}
	_, reports := c.dst.(Loader)
	c.loaded.begin(o, plan, reports)
	total, whole, exact := estimate(o, plan)
	prog.Total.Store(prog.Done.Load() + total)

	if !o.DryRun {
		if err := c.room.check(ctx, o, plan, c.opts.MaxSize); err != nil {
			return err
		}
	}

	prog.Enter(Exporting)
	c.dog.size.Store(exportSize(o, plan))
	w := &checkedWriter{dst: c.dst, prog: prog, dog: c.dog, exact: exact, most: newBudget(o, plan, c.dog.src != nil, &c.room), seen: map[digest.Digest]bool{}, image: imageOf(o, plan)}
	c.dog.begin(owesBlob)
	index, err := c.src.Export(ctx, o, plan, w)
	if err != nil {
		return err
	}
	if o.DryRun {
		c.report.DryRun = true
		return nil
	}
	if err := index.Validate(o, plan); KindOf(err) == KindRefused {
		return err
	} else if err != nil {
		return Broken("index: %w", err)
	}
	if err := w.complete(o, plan, index); err != nil {
		return err
	}
	if exact {
		prog.Done.Store(prog.Total.Load())
	} else {
		prog.Total.Store(prog.Done.Load())
	}
	if f, ok := c.dst.(flusher); ok {
		c.dog.turn(owesRoom)
		if err := f.Flush(ctx); err != nil {
			return err
		}
	}
	prog.Enter(Loading)
	c.dog.size.Store(w.bytes)
	c.dog.begin(owesVerdict)
	out, err := c.dst.Commit(ctx, index)
	if err != nil {
		if out != nil {
			c.arrivals(o, plan, out) // what has been left with a name
		}
		return err
	}
	if out.Retry != "" && o.Full {
		return Broken("asked for a second retry: %s", out.Retry)
	}
	if err := out.Validate(o); err != nil {
		return Broken("result: %w", err)
	}
	if c.again = out.Retry != ""; c.again {
		c.room.back(w.bytes)
		if err := c.settle(ctx, out); err != nil {
			return err
		}
		if c.opts.OnRetry != nil {
			c.opts.OnRetry(out.Retry)
		}
		return nil
	}
	// Before the source is told, which may fail.
	c.report.Bytes += w.bytes
	c.report.Skipped += w.skipped(index) + whole
	c.arrived = true
	c.report.Images += len(o.Images)
	c.arrivals(o, plan, out)
	return c.settle(ctx, out)
}

// settle tells the source how the round ended.
func (c *copier) settle(ctx context.Context, out *Outcome) error {
	c.dog.begin(owesAck)
	defer c.dog.begin(nobody)
	return c.src.Settle(ctx, out)
}

// arrivals reports what the outcome says of the images of the offer, in its order.
func (c *copier) arrivals(o *Offer, p *Plan, out *Outcome) {
	if c.opts.OnArrival == nil {
		return
	}
	byID := make(map[digest.Digest]Arrival, len(out.Images))
	for _, a := range out.Images {
		byID[a.ID] = a
	}
	for i := range o.Images {
		if a, ok := byID[o.Images[i].ID]; ok {
			c.opts.OnArrival(&o.Images[i], a, p.Images[i].Status == Whole)
		}
	}
}

// A flusher is a sink whose Put does not wait until it has taken a blob. Flush
// waits until it has taken them all.
type flusher interface{ Flush(context.Context) error }

// exportSize returns the bytes of the images that the plan takes, layers that
// the sink has included: an engine may export them all.
func exportSize(o *Offer, p *Plan) int64 {
	var n int64
	for i, ip := range p.Images {
		if ip.Status == Take {
			n += o.Images[i].Size()
		}
	}
	return n
}

// smallExtra is what the documents of an offer may have in bytes, so that progress can do
// without them. Images of several platforms have more beside their layers.
const smallExtra = 1 << 20

// estimate returns the bytes that the plan is about to move, and those of the layers of
// images that are whole already, each layer counted once. If it reports that the former
// are exact, they are those of the layers only.
func estimate(o *Offer, p *Plan) (move, whole int64, exact bool) {
	exact = true
	var extra int64
	counted := map[digest.Digest]bool{}
	for i, ip := range p.Images {
		if ip.Status == Take {
			extra += o.Images[i].Extra
		}
		for j, l := range o.Images[i].Layers {
			if counted[l.DiffID] || ip.Status == Take && ip.Have[j] {
				continue
			}
			counted[l.DiffID] = true
			if ip.Status == Whole {
				whole += l.Size
			} else {
				move += l.Size
				exact = exact && l.Exact
			}
		}
	}
	if extra > smallExtra {
		return move + extra, whole, false
	}
	return move, whole, exact
}

// imageOf returns for each layer that the plan wants, by either digest, the number of the
// first image that has it, counted from 1.
func imageOf(o *Offer, p *Plan) map[digest.Digest]int32 {
	image := map[digest.Digest]int32{}
	for i, ip := range p.Images {
		if ip.Status != Take {
			continue
		}
		for j, l := range o.Images[i].Layers {
			for _, d := range []digest.Digest{l.DiffID, l.Digest} {
				if image[d] == 0 && !ip.Have[j] {
					image[d] = int32(i + 1)
				}
			}
		}
	}
	return image
}

// Unneeded returns the blobs that an export of o need not contain: those of layers that
// the sink has, wherever they occur in the images to take.
func Unneeded(o *Offer, p *Plan) map[digest.Digest]bool {
	have := map[digest.Digest]bool{}
	for i, ip := range p.Images {
		if ip.Status != Take {
			continue
		}
		for j, l := range o.Images[i].Layers {
			if l.Digest == "" {
				continue
			}
			if known, ok := have[l.Digest]; !ok || known {
				have[l.Digest] = ip.Have[j]
			}
		}
	}
	for d, ok := range have {
		if !ok {
			delete(have, d)
		}
	}
	return have
}
