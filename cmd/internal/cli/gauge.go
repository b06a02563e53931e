package cli

import (
	"time"

	"github.com/imgsend/imgsend/transfer"
)

const (
	rateWindow = 5 * time.Second // a rate is taken over so long,
	rateMoves  = 4               // or over so many samples if they are further apart
	rateLeast  = time.Second     // the shortest time that gives a rate
	rateEvery  = 250 * time.Millisecond

	// A transfer stalls when no byte moves for stalledTime, or for twice the longest
	// gap between two bytes so far, of which longestGap counts at most.
	stalledTime = 3 * time.Second
	longestGap  = 10 * time.Second
)

// A gauge reads the counters of a transfer again and again, and makes rates of them.
type gauge struct {
	p *transfer.Progress

	phase  transfer.Phase
	lost   bool
	since  time.Time     // of the phase, or of the loss
	moved  time.Time     // when a byte was last counted
	gap    time.Duration // the longest time without one in this phase
	last   sample
	window []sample // of this phase and line, oldest first, each with more bytes
}

type sample struct {
	at                  time.Time
	done, wire, content int64
}

// A reading is what there is to show of a transfer at one moment.
type reading struct {
	phase   transfer.Phase
	lost    bool          // the line is
	lasts   time.Duration // how long that, or else the phase, has
	done    int64         // bytes that have gone out, or come in
	total   int64         // never less than done
	wire    int64
	rate    int64         // of done, in bytes a second; -1: not known yet
	onWire  int64         // of wire; -1: not known yet
	left    time.Duration // until done is total; 0: not known
	stalled time.Duration // for how long nothing has moved; 0: it moves
	loaded  transfer.Loaded
	image   int // which one of the offer, counted from 1; 0: not known
}

func newGauge(p *transfer.Progress) *gauge { return &gauge{p: p, phase: -1} }

// read reads the counters.
func (g *gauge) read(now time.Time) reading {
	r := reading{phase: g.p.Phase(), wire: g.p.Wire.Load(), total: g.p.Total.Load(), loaded: g.p.Loaded(),
		image: int(g.p.Image.Load()), rate: -1, onWire: -1}
	done := max(0, g.p.Done.Load()-max(0, g.p.Unsent.Load()))
	r.done = done
	if r.total > 0 {
		r.done = min(done, r.total) // the total may be an estimate that is too low
	} else {
		r.total = done
	}
	lost := g.p.Lost()
	r.lost = !lost.IsZero()
	if r.phase != g.phase || r.lost != g.lost {
		*g = gauge{p: g.p, phase: r.phase, lost: r.lost, since: now, moved: now}
		if r.lost {
			g.since = lost
		}
	}
	r.lasts = now.Sub(g.since)
	if r.moving() {
		g.sample(sample{now, done, r.wire, g.p.Content.Load()})
		g.rates(now, &r)
	}
	return r
}

// moving reports whether bytes are on their way.
func (r *reading) moving() bool { return r.phase == transfer.Moving && !r.lost }

// sample notes where the counters are.
func (g *gauge) sample(s sample) {
	if s.done != g.last.done || s.content != g.last.content || g.last.at.IsZero() {
		if !g.last.at.IsZero() {
			g.gap = min(max(g.gap, s.at.Sub(g.moved)), longestGap)
		}
		g.moved = s.at
	}
	g.last = s
	if n := len(g.window); n == 0 || s.done > g.window[n-1].done && s.at.Sub(g.window[n-1].at) >= rateEvery {
		g.window = append(g.window, s)
	}
	for len(g.window) > rateMoves && s.at.Sub(g.window[1].at) >= rateWindow {
		g.window = g.window[1:]
	}
}

// rates fills in what a reading says of the speed.
func (g *gauge) rates(now time.Time, r *reading) {
	silent := now.Sub(g.moved)
	if silent >= max(stalledTime, 2*g.gap) {
		r.stalled = silent
		g.window = nil
		return
	}
	first, last := g.window[0], g.window[len(g.window)-1]
	end := last.at
	if silent > max(rateLeast, g.gap) {
		end = now // the rate falls before the transfer counts as stalled
	}
	if since := end.Sub(first.at); since >= rateLeast {
		r.rate = int64(float64(last.done-first.done) / since.Seconds())
		r.onWire = int64(float64(last.wire-first.wire) / since.Seconds())
	}
	if r.rate > 0 && r.done < r.total {
		r.left = time.Duration(float64(r.total-r.done) / float64(r.rate) * float64(time.Second))
	}
}
