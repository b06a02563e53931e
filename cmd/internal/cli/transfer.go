package cli

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// A Transfer is one copy of images as its user sees it: what is about to be copied,
// a meter, what arrived, and a line at the end.
type Transfer struct {
	Voice    *Voice
	Progress *transfer.Progress          // what the copy counts into
	Words    func(transfer.Phase) string // says in few words what a phase does
	Side     string                      // where images arrive: "here" or "there"
	Act      string                      // what is done with a missing layer: "send", "load"
	Start    time.Time                   // from when on it is timed
	Idle     time.Duration               // how much of that time people took, which does not count
	Silent   bool                        // show nothing before images arrive
	Table    bool                        // show the plan of a dry run as a table, which is this user's

	// From is who sends, where there may be several. Without a name the lines for people
	// do not say it.
	From Sender

	// History returns what made each layer of an image, bottom first, or nil; for a dry run.
	// No History: that is not known.
	History func(*transfer.Image) []string

	// Host and Platform say for which platform images should be, in notes. No
	// Host: no notes.
	Host, Platform string

	title  string
	titles atomic.Pointer[[]string] // of the images of the offer
	meter  *Meter

	began    time.Time // when Copy was called
	accepted time.Time // when the first plan came
}

// Accepting returns how long the sink took to accept the offer. Call it after Copy.
func (t *Transfer) Accepting() time.Duration { return t.accepted.Sub(t.began) }

// Copy copies src to dst. It sets the callbacks of o but for Accept.
func (t *Transfer) Copy(ctx context.Context, src transfer.Source, dst transfer.Sink, o transfer.Options) (*transfer.Report, error) {
	defer t.stopMeter()
	t.began = time.Now()
	o.Progress = t.Progress
	o.OnPlan = t.planned
	o.OnRetry = func(reason string) {
		t.Voice.Warnf("%sonce more with every layer: %s", t.From.Label(), reason)
		t.Voice.Event(RetryEvent{Event: "retry", From: t.From.ID, Kind: RetryFull, Message: reason})
	}
	o.OnArrival = func(_ *transfer.Image, a transfer.Arrival, whole bool) { t.arrived(a, whole) }
	rep, err := transfer.Copy(ctx, src, dst, o)
	if k := (*transfer.KeptError)(nil); errors.As(err, &k) {
		t.stopMeter()
		t.Voice.Sayf("%s%s %s", t.From.Label(), k.Kept, t.Side)
	}
	return rep, err
}

// StartMeter shows the meter until Copy returns. It starts by itself when something
// is about to be copied.
func (t *Transfer) StartMeter() {
	if t.meter == nil {
		doing := Redialing
		if t.Side == "here" {
			doing = Holding
		}
		t.meter = t.Voice.startMeter(t.Progress, t.From, t.Words, doing, t.imageTitles)
	}
}

// imageTitles returns how the images of the offer are called, in its order.
func (t *Transfer) imageTitles() []string {
	if titles := t.titles.Load(); titles != nil {
		return *titles
	}
	return nil
}

func (t *Transfer) stopMeter() {
	if t.meter != nil {
		t.meter.Stop()
	}
}

// planned shows what is about to be copied; in a dry run that is all.
func (t *Transfer) planned(o *transfer.Offer, p *transfer.Plan) {
	if t.title == "" {
		t.accepted = time.Now()
		t.title = Titles(o)
		titles := make([]string, len(o.Images))
		for i := range o.Images {
			titles[i] = Title(&o.Images[i])
		}
		t.titles.Store(&titles)
	}
	t.Voice.Event(PlanEvent{Event: "plan", From: t.From.ID, Images: Plans(o, p)})
	if t.Silent {
		return
	}
	if t.Host != "" {
		for _, note := range ForeignPlatforms(o, t.Host, t.Platform) {
			t.Voice.Note(NotePlatform, "%s", note)
		}
	}
	if o.DryRun && t.Table {
		t.printPlan(o, p)
		return
	}
	for _, line := range PlanLines(o, p, t.Side, t.Act) {
		t.Voice.Sayf("%s%s", t.From.Label(), line)
	}
	if !o.DryRun {
		t.StartMeter()
	}
}

// Done reports that the copy has ended well and returns the line that says so, in
// which verb is what was done: "sent".
func (t *Transfer) Done(rep *transfer.Report, verb string) string {
	done := Done(rep, t.Progress.Wire.Load(), max(0, time.Since(t.Start)-t.Idle))
	done.From = t.From.ID
	t.Voice.Event(done)
	return t.From.Label() + Closing(t.title, verb, t.Side, done)
}
