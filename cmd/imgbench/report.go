package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/lab"
)

// A sample is one run of one contender.
type sample struct {
	took time.Duration
	part time.Duration // to the end of an apartContender's part
	wire int64         // bytes

	// Peak resident sets of the two programs in bytes; 0: not measured.
	sendPeak, recvPeak int64
	// A peak not above this cannot be told from imgbench's own, see peakOf.
	floor int64

	// Processor time of the two programs.
	sendCPU, recvCPU time.Duration

	err error // the run failed and the rest means nothing
}

// A series is all runs of one contender in one scenario.
type series struct {
	scenario  string
	contender string
	rival     bool // others are measured by it
	onLink    bool // its bytes cross the link
	samples   []sample
}

// partial returns the series with the times of a part of the same runs.
func (s *series) partial(name string) *series {
	p := &series{scenario: s.scenario, contender: name, onLink: s.onLink, samples: slices.Clone(s.samples)}
	for i := range p.samples {
		p.samples[i].took = p.samples[i].part
	}
	return p
}

func (s *series) failures() (errs []error) {
	for _, x := range s.samples {
		if x.err != nil {
			errs = append(errs, x.err)
		}
	}
	return errs
}

func (s *series) seconds() float64 {
	return median(s.samples, func(x sample) float64 { return x.took.Seconds() })
}

func (s *series) wire() int64 {
	return int64(median(s.samples, func(x sample) float64 { return float64(x.wire) }))
}

// peaks returns the largest of the peaks and of the floors.
func (s *series) peaks() (send, recv, floor int64) {
	for _, x := range s.samples {
		send, recv, floor = max(send, x.sendPeak), max(recv, x.recvPeak), max(floor, x.floor)
	}
	return send, recv, floor
}

// median returns the median of what f gives for the elements, or 0 without any:
// the middle one, or the mean of the two in the middle.
func median[T any](list []T, f func(T) float64) float64 {
	if len(list) == 0 {
		return 0
	}
	v := make([]float64, len(list))
	for i, x := range list {
		v[i] = f(x)
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// A report is the result of a run.
type report struct {
	facts     []string // about machine, engines, images
	notes     []string // below the table
	limited   bool     // the link has a rate
	series    []*series
	rawValues bool
}

func (r *report) failed() bool {
	return slices.ContainsFunc(r.series, func(s *series) bool { return len(s.failures()) > 0 })
}

// best returns the shortest time of the rivals in a scenario, or 0. On a
// limited link only those count whose bytes cross it.
func (r *report) best(scenario string) float64 {
	var times []float64
	for _, s := range r.series {
		if s.scenario == scenario && s.rival && (s.onLink || !r.limited) && len(s.samples) > 0 && len(s.failures()) == 0 {
			times = append(times, s.seconds())
		}
	}
	if len(times) == 0 {
		return 0
	}
	return slices.Min(times)
}

// markdown returns the report: facts, table, notes and samples.
func (r *report) markdown() string {
	var b strings.Builder
	for _, f := range r.facts {
		fmt.Fprintf(&b, "- %s\n", f)
	}
	b.WriteString("\n| scenario | contender | seconds | × best rival | on the wire | peak memory, sender / receiver |\n")
	b.WriteString("|---|---|---:|---:|---:|---:|\n")
	for _, s := range r.series {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r.row(s), " | "))
	}
	notes := slices.Clone(r.notes)
	for _, s := range r.series {
		for _, err := range s.failures() {
			notes = append(notes, fmt.Sprintf("FAILED: %s, %s: %s", s.scenario, s.contender, lab.OneLine(err.Error())))
		}
	}
	b.WriteString("\n")
	for _, n := range notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	if r.rawValues {
		b.WriteString(r.raw())
	}
	return b.String()
}

func (r *report) row(s *series) []string {
	cells := []string{s.scenario, escape(s.contender), "–", "–", "–", "–"}
	if n := len(s.failures()); n > 0 {
		cells[2] = fmt.Sprintf("failed, %d of %d", n, len(s.samples))
		return cells
	}
	if len(s.samples) == 0 {
		return cells
	}
	cells[2] = fmt.Sprintf("%.2f", s.seconds())
	if best := r.best(s.scenario); best > 0 && (s.onLink || !r.limited) {
		cells[3] = fmt.Sprintf("%.2f", s.seconds()/best)
	}
	cells[4] = cli.Bytes(s.wire())
	if !s.onLink {
		cells[4] += " in the pipe"
	}
	if send, recv, floor := s.peaks(); send > 0 {
		cells[5] = memory(send, floor) + " / " + memory(recv, floor)
	}
	return cells
}

func memory(n, floor int64) string {
	if n <= floor {
		return "≤ " + cli.Bytes(floor)
	}
	return cli.Bytes(n)
}

// raw lists every sample.
func (r *report) raw() string {
	var b strings.Builder
	b.WriteString("\n| scenario | contender | round | seconds | bytes on the wire | peak memory, sender | receiver | processor seconds, sender | receiver |\n")
	b.WriteString("|---|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, s := range r.series {
		for i, x := range s.samples {
			if x.err != nil {
				fmt.Fprintf(&b, "| %s | %s | %d | failed | – | – | – | – | – |\n", s.scenario, escape(s.contender), i+1)
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %d | %.3f | %d | %d | %d | %.2f | %.2f |\n", s.scenario, escape(s.contender), i+1, x.took.Seconds(), x.wire,
				x.sendPeak, x.recvPeak, x.sendCPU.Seconds(), x.recvCPU.Seconds())
		}
	}
	return b.String()
}

// escape makes text fit into a cell of a Markdown table.
func escape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
