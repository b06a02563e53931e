package transfer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Patience has the limits for how long a copy waits for an end that makes no progress.
// A zero field has its default.
type Patience struct {
	// Bytes is how long an end may go without content when it is its turn to
	// give or to take some, and how long it may take for a plan. Default 5 min.
	Bytes time.Duration
	// Work is how long a source may take until its next blob, and a sink for a
	// load, on top of one second for each PerSecond bytes of the images.
	// Default 10 min.
	Work time.Duration
	// PerSecond is what a slow engine exports or loads in a second, in bytes.
	// Default 5 MB.
	PerSecond int64
	// Offer is how long a [Remote] source may take to make its next offer.
	// Default 1 min.
	Offer time.Duration
	// Remote is added to the above for a [Remote] end, so that the side whose engine
	// does not answer reports this before the other side gives up.
	// Default 1 min.
	Remote time.Duration
}

// maxWork limits the time that Patience adds for claimed sizes.
const maxWork = 24 * time.Hour

// leastContent is how many bytes have to move to count as progress: an end that sends a
// byte now and then makes none. With the default patience it is 55 bytes a second.
const leastContent = 16 << 10

func (p Patience) withDefaults() Patience {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&p.Bytes, 5 * time.Minute}, {&p.Work, 10 * time.Minute}, {&p.Offer, time.Minute}, {&p.Remote, time.Minute}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if p.PerSecond <= 0 {
		p.PerSecond = 5e6
	}
	return p
}

// work returns the limit for an export or a load of size bytes.
func (p Patience) work(size int64) time.Duration {
	if size/p.PerSecond > int64(maxWork/time.Second) {
		return p.Work + maxWork
	}
	return p.Work + time.Duration(size/p.PerSecond)*time.Second
}

// A Remote is an end of a copy that is another host's: a stream.
type Remote interface {
	// Failed is closed when the stream or the other side has failed; Err then
	// says how.
	Failed() <-chan struct{}
	Err() error
	// Moved counts the bytes of content that the stream has carried. It only
	// grows.
	Moved() int64
	// Waiting reports that the other side waits for a person or for its turn:
	// it may take its time to make an offer or to answer one.
	Waiting() bool
	// Lost reports that the stream is broken and another one takes its place if it
	// comes in time, which the Remote judges: nothing else is owed meanwhile.
	Lost() bool
}

// owing is the action that a copy waits for, and the end that has to take it. Copy sets
// it; the watchdog limits how long it may take.
//
//	owing      end     what                            patience      turns to
//	nobody     -       a person, or Copy itself        no limit
//	offer      source  what it has to give             Offer         nobody
//	plan       sink    an answer to the offer          Bytes         nobody
//	blob       source  its next blob, or the index     Work + size   rest, room, verdict
//	rest       source  more of the blob                Bytes         room
//	room       sink    to take what was put            Bytes         rest, blob, verdict
//	verdict    sink    to load, verify and name        Work + size   ack
//	ack        source  to take the verdict             Bytes         nobody
//
// The waits for each action add up, also when the turn changes between source and sink,
// until there is progress: leastContent bytes that moved, or the next step, which is an
// offer, a plan, an export or a verdict.
type owing int32

const (
	nobody owing = iota
	owesOffer
	owesPlan
	owesBlob
	owesRest
	owesRoom
	owesVerdict
	owesAck
	owings // how many there are
)

// A watchdog ends a copy that makes no progress, or one end of which has failed: the
// other side of a stream may give up while the engine on this side is silent. No other
// code decides this.
type watchdog struct {
	patience Patience
	src, dst Remote // nil: of this host
	tap      *Tap   // nil: the source serves no other copy
	patient  bool   // the sink may take its time

	owes atomic.Int32 // an owing
	step atomic.Int64 // counts the steps of the copy
	size atomic.Int64 // of the images of this round, in bytes
	read atomic.Int64 // bytes of all blobs that the source has given
	blob atomic.Pointer[string]

	parent context.Context
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

// watch returns the watchdog of a copy. Its ctx ends when the copy has to.
func watch(parent context.Context, src Source, dst Sink, o Options) *watchdog {
	w := &watchdog{patience: o.Patience.withDefaults(), patient: o.PatientSink, parent: parent}
	w.ctx, w.cancel = context.WithCancelCause(parent)
	w.src, _ = src.(Remote)
	w.tap, _ = src.(*Tap)
	w.dst, _ = dst.(Remote)
	for _, r := range []Remote{w.src, w.dst} {
		if r != nil {
			w.wg.Go(func() {
				select {
				case <-r.Failed():
					w.cancel(r.Err())
				case <-w.ctx.Done():
				}
			})
		}
	}
	w.wg.Go(w.run)
	return w
}

// stop ends the watch. It replaces an error that only says that the context has
// ended by the reason why.
func (w *watchdog) stop(err error) error {
	cause := context.Cause(w.ctx)
	w.cancel(errClosed)
	w.wg.Wait()
	switch {
	case err == nil || cause == nil:
		return err
	case w.parent.Err() != nil:
		return &Error{Kind: KindInterrupted, Err: errInterrupted}
	}
	return cause
}

// begin notes that the copy has begun its next step.
func (w *watchdog) begin(o owing) {
	w.step.Add(1)
	w.turn(o)
}

// turn notes which end has to act next, within the step.
func (w *watchdog) turn(o owing) { w.owes.Store(int32(o)) }

// run periodically looks which end has to act, and adds up how long the copy has waited
// for each end since there was progress. Time in which this process did not run, or its
// host slept, does not count.
func (w *watchdog) run() {
	every := min(w.patience.Bytes, w.patience.Work, w.patience.Offer) / 20
	every = min(max(every, time.Millisecond), 5*time.Second)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var waited [owings]time.Duration
	step, moved := w.step.Load(), w.moved()
	shared := w.shared()
	for last := time.Now(); ; {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			return
		}
		now := time.Now()
		passed := min(now.Sub(last), 2*every)
		last = now
		if n, s := w.moved(), w.step.Load(); s != step || n-moved >= leastContent {
			step, moved = s, n
			waited = [owings]time.Duration{}
		}
		if n := w.shared(); n < shared || n-shared >= leastContent {
			shared = n
			waited[owesBlob], waited[owesRest] = 0, 0
		}
		o := owing(w.owes.Load())
		if w.tap != nil {
			o = w.tap.owing(o)
		}
		if !w.judged(o) {
			continue
		}
		waited[o] += passed
		if waited[o] > w.limit(o) {
			w.cancel(w.blame(o, waited[o]))
			return
		}
	}
}

// moved counts the content that went through the copy.
func (w *watchdog) moved() int64 {
	n := w.read.Load()
	for _, r := range []Remote{w.src, w.dst} {
		if r != nil {
			n += r.Moved()
		}
	}
	return n
}

// shared counts what a source that serves other copies, too, has given them.
func (w *watchdog) shared() int64 {
	if w.tap == nil {
		return 0
	}
	return w.tap.progress()
}

// judged reports whether the time of o has a limit.
func (w *watchdog) judged(o owing) bool {
	if r := w.end(o); r != nil && r.Lost() {
		return false
	}
	switch o {
	case nobody:
		return false
	case owesOffer:
		return w.src == nil || !w.src.Waiting()
	case owesPlan:
		return w.dst == nil || !w.dst.Waiting()
	case owesRoom, owesVerdict:
		return !w.patient
	}
	return true
}

// end returns the end that o waits for: the source, or the sink.
func (w *watchdog) end(o owing) Remote {
	switch o {
	case owesPlan, owesRoom, owesVerdict:
		return w.dst
	}
	return w.src
}

func (w *watchdog) limit(o owing) time.Duration {
	d := w.patience.Bytes
	switch o {
	case owesOffer:
		if w.src != nil {
			return w.patience.Offer
		}
	case owesBlob, owesVerdict:
		d = w.patience.work(w.size.Load())
	}
	if w.end(o) != nil {
		d += w.patience.Remote
	}
	return d
}

// blame returns the error for an end that made no progress: the engine, or the other side
// of a stream.
func (w *watchdog) blame(o owing, waited time.Duration) error {
	who, kind := "the engine", KindEngine
	if w.end(o) != nil {
		who, kind = "the other side", KindBroken
	}
	var what string
	switch o {
	case owesOffer:
		what = "has not offered anything"
	case owesPlan:
		what = "has not said what it has of the images"
		if w.dst != nil {
			what = "has not answered the offer"
		}
	case owesBlob:
		what = "has not given the next blob"
	case owesRest:
		what = "has not given more of blob " + *w.blob.Load()
	case owesRoom:
		what = "has not taken any data"
	case owesVerdict:
		what = "has not answered the load of " + megabytes(w.size.Load())
	case owesAck:
		what = "has not taken the result"
	}
	return &Error{Kind: kind, Err: fmt.Errorf("%s %s for %s", who, what, minutes(waited))}
}

// minutes writes a long time.
func minutes(d time.Duration) string {
	if d < 2*time.Minute {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%d min", int(d.Minutes()))
}
