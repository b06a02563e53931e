package wire

import (
	"sync"
	"time"
)

// A tuner picks the compression level of the next block from the timing of earlier ones.
//
// It measures the rate of raw bytes in time windows. When blocks wait for the network,
// it tries a higher level. When the network waits for blocks, or the receiver grants no
// credits, it tries a lower level. It keeps a higher level that made the transfer faster,
// and a lower one that did not make it slower. Otherwise it returns to the old level, and
// each time waits longer before it tries that direction again. So a transfer that is
// limited by an engine ends without compression, and one limited by a slow link with a
// high level.
type tuner struct {
	mu      sync.Mutex
	current level
	fixed   bool

	win   sample // the sums of this window
	fresh int    // blocks at this level, since it changed
	warm  bool   // the buffers between the two sides have filled once

	from     level   // where a trial started
	fromRate float64 // rate there
	trial    bool
	hold     [2]int // windows left before the next trial: down, up
	penalty  [2]int // the next hold: down, up
	calm     int    // windows without a trial while the stream was the bottleneck
}

// A sample is the timing of one block, or the sum over several.
type sample struct {
	level level
	tuned bool // the tuner picked the level
	raw   int
	// How long the writer waited for the block to be ready, then for a credit, then for
	// the write to the stream.
	starved, blocked, writing time.Duration
}

func (s sample) time() time.Duration { return s.starved + s.blocked + s.writing }

const (
	tunerWindow   = 300 * time.Millisecond
	tunerMinBytes = 3 * MaxBlock
	tunerGain     = 1.08 // a harder level must be this much faster
	tunerLoss     = 0.97 // a cheaper one may be this much slower
	tunerMaxHold  = 64
	tunerCalm     = 20
	tunerSlow     = 60e6 // bytes a second that one core can compress at any level

	down, up = 0, 1
)

func newTuner(c Compression) *tuner {
	t := &tuner{fixed: true}
	switch c {
	case CompressNone:
	case CompressFast:
		t.current = levelS2
	case CompressBest:
		t.current = levelZstdBetter
	default:
		t.fixed = false
		t.current = levelS2
		t.penalty = [2]int{1, 1}
	}
	return t
}

func (t *tuner) level() level {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// wrote records a written block. It ignores blocks that were compressed at another level
// than the current one.
func (t *tuner) wrote(s sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fixed || !s.tuned || s.level != t.current {
		return
	}
	w := &t.win
	t.fresh++
	w.raw += s.raw
	w.starved += s.starved
	w.blocked += s.blocked
	w.writing += s.writing
	if w.time() < tunerWindow || w.raw < tunerMinBytes {
		return
	}
	if t.fresh > window || w.blocked < w.writing {
		t.judge(t.win)
	} // else the window waited for blocks of another level
	t.win = sample{}
}

// judge ends a window: it ends the current trial, or may start one.
func (t *tuner) judge(w sample) {
	rate := float64(w.raw) / w.time().Seconds()
	starved := w.starved > (w.blocked+w.writing)/2
	if !t.warm && !starved {
		// The first bytes only filled the buffers between the two sides.
		t.warm = true
		return
	}
	if t.trial {
		t.settle(rate)
		return
	}
	for dir := range t.hold {
		t.hold[dir] = max(t.hold[dir]-1, 0)
	}
	switch {
	case !starved && t.current < levels-1 && t.hold[up] == 0:
		step := level(1)
		if rate < tunerSlow {
			step = 2
		}
		t.try(min(t.current+step, levels-1), rate)
	case !starved && w.blocked < w.writing && t.calm < tunerCalm:
		// The stream is the bottleneck: a lower level could only save CPU time.
		t.calm++
	case t.current > levelNone && t.hold[down] == 0:
		t.try(t.current-1, rate)
	}
}

// settle ends a trial: it keeps the new level or returns to the old one.
func (t *tuner) settle(rate float64) {
	t.trial = false
	dir, want := up, tunerGain
	if t.current < t.from {
		dir, want = down, tunerLoss
	}
	if rate >= t.fromRate*want {
		t.penalty[dir] = max(t.penalty[dir]/2, 1)
		return
	}
	t.current, t.fresh = t.from, 0
	t.hold[dir] = t.penalty[dir]
	t.penalty[dir] = min(2*t.penalty[dir], tunerMaxHold)
}

func (t *tuner) try(l level, rate float64) {
	t.trial, t.from, t.fromRate, t.calm = true, t.current, rate, 0
	t.current, t.fresh = l, 0
}
