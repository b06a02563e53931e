package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/schollz/progressbar/v3"
)

// How often a meter looks at the transfer, and how often it says so off a terminal: in
// the first minute of a phase, and later.
const (
	paintEvery = 100 * time.Millisecond
	plainEvery = 4 * time.Second
	plainLater = 30 * time.Second
	jsonEvery  = time.Second // a progress event
)

// A Meter shows a running transfer: a line that changes on a terminal, one every few
// seconds off it, progress events as JSON. It only reads counters; the transfer never
// waits for it.
type Meter struct {
	v      *Voice
	gauge  *gauge
	from   Sender
	words  func(transfer.Phase) string
	doing  string // about a lost line
	titles func() []string

	spoken time.Time // when a line was last printed off a terminal
	turn   int       // of the spinner

	once sync.Once
	quit chan struct{}
	done chan struct{}
}

// startMeter shows p, of what from sends, until Stop. words describes a phase, doing the
// reaction to a lost line; titles returns the names of the offered images.
func (v *Voice) startMeter(p *transfer.Progress, from Sender, words func(transfer.Phase) string, doing string, titles func() []string) *Meter {
	m := &Meter{v: v, gauge: newGauge(p), from: from, words: words, doing: doing, titles: titles, quit: make(chan struct{}), done: make(chan struct{})}
	if v.Quiet && !v.JSON {
		close(m.done)
		return m
	}
	v.addMeter(m)
	go m.run()
	return m
}

// Working shows on a terminal that what takes a while, until the caller calls the
// returned function. That may be called more than once.
func (v *Voice) Working(what string) (done func()) {
	if !v.terminal || v.JSON {
		return func() {}
	}
	m := v.startMeter(&transfer.Progress{}, Sender{}, func(transfer.Phase) string { return what }, "", func() []string { return nil })
	return m.Stop
}

// Stop ends the display; nothing of it is on the screen when it returns. It
// may be called more than once.
func (m *Meter) Stop() {
	m.once.Do(func() { close(m.quit) })
	<-m.done
}

func (m *Meter) run() {
	defer close(m.done)
	every := rateEvery
	switch {
	case m.v.JSON:
		every = jsonEvery
	case m.v.terminal:
		every = paintEvery
	}
	m.spoken = time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			m.show(m.gauge.read(now), now)
		case <-m.quit:
			m.v.removeMeter(m)
			return
		}
	}
}

func (m *Meter) show(r reading, now time.Time) {
	switch {
	case m.v.JSON:
		m.v.Event(m.event(r))
	case m.v.terminal:
		m.turn++
		m.v.paint(m, m.line(r, m.v.screen.width()))
	default:
		every := plainEvery
		if r.lasts > time.Minute {
			every = plainLater
		}
		if now.Sub(m.spoken) >= every {
			m.spoken = now
			m.v.Sayf("%s%s", m.from.Label(), strings.Join(m.parts(r), ", "))
		}
	}
}

func (m *Meter) event(r reading) ProgressEvent {
	e := ProgressEvent{Event: "progress", From: m.from.ID, Phase: r.phase.String(), Done: r.done, Total: r.total, Wire: r.wire}
	if r.rate >= 0 {
		e.Rate = &r.rate
	}
	if titles := m.titles(); r.moving() && r.image > 0 && r.image <= len(titles) {
		e.Image = titles[r.image-1]
	}
	if r.loaded.Of > 0 {
		e.Loaded = &r.loaded
	}
	return e
}

// parts says what happens, the most important first.
func (m *Meter) parts(r reading) []string {
	switch {
	case r.lost:
		return []string{"line lost, " + m.doing, wholeSeconds(r.lasts)}
	case r.phase == transfer.Loading && r.loaded.Of > 0:
		return []string{fmt.Sprintf("%s: %d of %s", m.words(r.phase), r.loaded.Layers, Count(r.loaded.Of, "layer")),
			Bytes(r.loaded.Bytes) + " of " + Bytes(r.loaded.Total)}
	case !r.moving():
		return []string{m.words(r.phase)}
	}
	what, title := m.words(r.phase), ""
	if titles := m.titles(); len(titles) > 1 && r.image > 0 && r.image <= len(titles) {
		what += fmt.Sprintf(" image %d of %d", r.image, len(titles))
		title = titles[r.image-1]
	}
	parts := []string{what + ": " + Bytes(r.done) + " of " + Bytes(r.total) + " in all"}
	if title == "" {
		parts[0] = what + ": " + Bytes(r.done) + " of " + Bytes(r.total)
	}
	switch {
	case r.stalled > 0:
		parts = append(parts, "stalled for "+wholeSeconds(r.stalled))
	case r.rate >= 0:
		parts = append(parts, speed(r))
	}
	if r.left > 0 {
		parts = append(parts, wholeSeconds(max(r.left, time.Second))+" left")
	}
	if title != "" { // last, as it may be long
		parts = append(parts, title)
	}
	return parts
}

// speed is the rate of the content, and that of the wire where it is another one.
func speed(r reading) string {
	text := Bytes(r.rate) + "/s"
	if differs := r.onWire - r.rate; max(differs, -differs) > r.rate/10 {
		text += " (" + Bytes(r.onWire) + "/s on the wire)"
	}
	return text
}

// Columns of a bar.
const (
	widestBar    = 24
	narrowestBar = 8
)

// line returns the line for a terminal of that width: the parts, with a bar if bytes are
// counted and the bar fits, else with a spinner.
func (m *Meter) line(r reading, columns int) string {
	parts := m.parts(r)
	text := m.v.name() + ": " + m.from.Label() + strings.Join(parts, ", ")
	done, total := r.done, r.total
	switch {
	case r.phase == transfer.Loading && !r.lost && r.loaded.Of > 0:
		done, total = r.loaded.Bytes, r.loaded.Total
	case !r.moving():
		if !r.lost && r.lasts >= time.Second {
			text += ", " + wholeSeconds(r.lasts)
		}
		return text + " " + string(`|/-\`[m.turn/2%4])
	}
	const frame = 3 // a space, and the ends of the bar
	if room := min(widestBar, columns-1-len([]rune(text))-frame); room >= narrowestBar {
		text += " " + bar(done, total, room)
	}
	return text
}

// bar draws a bar that is width columns wide, besides its ends.
func bar(done, total int64, width int) string {
	b := progressbar.NewOptions64(max(total, 1), progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetWidth(width), progressbar.OptionThrottle(0),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
	_ = b.Set64(min(done, max(total, 1)))
	_ = b.RenderBlank()
	_, drawn, _ := strings.Cut(strings.TrimSpace(b.String()), "%")
	return strings.TrimSpace(drawn)
}
