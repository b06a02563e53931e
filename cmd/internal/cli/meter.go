package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/schollz/progressbar/v3"
)

// How often a meter looks at the transfer.
const (
	paintEvery = 100 * time.Millisecond // a bar
	plainEvery = 4 * time.Second        // a line off a terminal
	jsonEvery  = time.Second            // a progress event
)

// A Meter shows a running transfer: a bar or a spinner on a terminal, a line
// every few seconds off it, progress events as JSON. It only reads counters;
// the transfer never waits for it.
type Meter struct {
	v     *Voice
	p     *transfer.Progress
	words func(transfer.Phase) string
	doing string // about a lost line

	bar   *progressbar.ProgressBar
	phase transfer.Phase
	lost  bool      // the line is
	start time.Time // of the phase, or of the line
	base  int64     // done when the phase began

	once sync.Once
	quit chan struct{}
	done chan struct{}
}

// StartMeter shows p until Stop. words says in few words what a phase does, doing what
// is done about a lost line.
func (v *Voice) StartMeter(p *transfer.Progress, words func(transfer.Phase) string, doing string) *Meter {
	m := &Meter{v: v, p: p, words: words, doing: doing, phase: -1, quit: make(chan struct{}), done: make(chan struct{})}
	if v.Quiet && !v.JSON {
		close(m.done)
		return m
	}
	v.mu.Lock()
	v.meter = m
	v.mu.Unlock()
	go m.run()
	return m
}

// Stop ends the display; nothing of it is on the screen when it returns. It
// may be called more than once.
func (m *Meter) Stop() {
	m.once.Do(func() { close(m.quit) })
	<-m.done
}

func (m *Meter) run() {
	defer close(m.done)
	every := plainEvery
	switch {
	case m.v.JSON:
		every = jsonEvery
	case m.v.terminal:
		every = paintEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.show()
		case <-m.quit:
			m.v.mu.Lock()
			m.clear()
			m.v.meter = nil
			m.v.mu.Unlock()
			return
		}
	}
}

func (m *Meter) show() {
	phase, done, total := m.p.Phase(), m.p.Done.Load(), m.p.Total.Load()
	if m.v.JSON {
		e := ProgressEvent{Event: "progress", Phase: phase.String(), Done: done, Total: total}
		if l := m.p.Loaded(); l.Of > 0 {
			e.Loaded = &l
		}
		m.v.Event(e)
		return
	}
	lost := m.p.Lost()
	if phase != m.phase || m.lost == lost.IsZero() {
		m.v.mu.Lock()
		m.clear()
		m.phase, m.lost, m.start, m.base = phase, !lost.IsZero(), time.Now(), done
		if m.lost {
			m.start = lost
		}
		m.v.mu.Unlock()
	}
	if m.v.terminal {
		m.paint(done, total)
		return
	}
	m.plain(done, total)
}

// plain prints a line.
func (m *Meter) plain(done, total int64) {
	if !m.counts() {
		what := m.what()
		if m.lost {
			what += ", " + Duration(time.Since(m.start).Truncate(time.Second))
		}
		m.v.Sayf("%s", what)
		return
	}
	percent := 100.0
	if total > 0 {
		percent = min(100, 100*float64(done)/float64(total))
	}
	m.v.Sayf("%s: %.0f %% of %s%s", m.words(m.phase), percent, Bytes(total), m.rate(done))
}

// counts reports whether bytes are counted now.
func (m *Meter) counts() bool { return m.phase == transfer.Moving && !m.lost }

// what says what happens.
func (m *Meter) what() string {
	if m.lost {
		return "line lost, " + m.doing
	}
	what := m.words(m.phase)
	if l := m.p.Loaded(); m.phase == transfer.Loading && l.Of > 0 {
		what += fmt.Sprintf(": %d of %s, %s of %s", l.Layers, Count(l.Of, "layer"), Bytes(l.Bytes), Bytes(l.Total))
	}
	return what
}

func (m *Meter) rate(done int64) string {
	since := time.Since(m.start).Seconds()
	if since < 0.5 {
		return ""
	}
	return fmt.Sprintf(", %s/s", Bytes(int64(float64(done-m.base)/since)))
}

// paint moves the bar, or the spinner where nothing can be counted.
func (m *Meter) paint(done, total int64) {
	m.v.mu.Lock()
	defer m.v.mu.Unlock()
	if m.bar == nil {
		opts := []progressbar.Option{
			progressbar.OptionSetWriter(m.v.err),
			progressbar.OptionSetDescription(m.v.Program + ": " + m.what()),
			progressbar.OptionSetWidth(24),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(0),
		}
		limit := int64(-1)
		if m.counts() {
			limit = max(total, 1)
			if m.base == 0 {
				opts = append(opts, progressbar.OptionShowBytes(true), progressbar.OptionShowTotalBytes(true),
					progressbar.OptionSetPredictTime(true), progressbar.OptionUseIECUnits(false))
			} else {
				opts = append(opts, progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
			}
		} else {
			// No goroutine of its own: nothing paints after clear.
			opts = append(opts, progressbar.OptionSpinnerType(14), progressbar.OptionSetElapsedTime(true), progressbar.OptionSetSpinnerChangeInterval(0))
		}
		m.bar = progressbar.NewOptions64(limit, opts...)
	}
	if !m.counts() {
		m.bar.Describe(m.v.Program + ": " + m.what())
		_ = m.bar.Add(1)
		return
	}
	if done >= total { // an estimate that was too low
		total = done + 1
	}
	if m.base > 0 { // the bar's own rate would count what came before the line was lost
		m.bar.Describe(fmt.Sprintf("%s: %s%s", m.v.Program, m.what(), m.rate(done)))
	}
	m.bar.ChangeMax64(total)
	_ = m.bar.Set64(done)
}

// clear takes the bar off the screen. The caller holds the voice's lock.
func (m *Meter) clear() {
	if m.bar != nil {
		_ = m.bar.Clear()
		m.bar = nil
	}
}
