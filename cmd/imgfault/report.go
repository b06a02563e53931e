package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/lab"
)

// A report is the result of a run.
type report struct {
	options options
	facts   []string
	rounds  []*round
}

// violated says whether any round found something.
func (r *report) violated() bool {
	return slices.ContainsFunc(r.rounds, func(x *round) bool { return len(x.found) > 0 })
}

// markdown returns the report: facts, table, and what was found.
func (r *report) markdown() string {
	var b strings.Builder
	for _, f := range r.facts {
		fmt.Fprintf(&b, "- %s\n", f)
	}
	b.WriteString("\n| round | from → to | fault | when | imgsend, imgrecv | layers kept | missing | next try sent | seconds | found |\n")
	b.WriteString("|---:|---|---|---|---|---:|---:|---:|---:|---|\n")
	for _, x := range r.rounds {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(x.row(), " | "))
	}
	b.WriteString("\n")
	bad := 0
	for _, x := range r.rounds {
		if len(x.found) == 0 {
			continue
		}
		bad++
		fmt.Fprintf(&b, "Round %d:\n\n", x.number)
		for _, f := range x.found {
			fmt.Fprintf(&b, "- FOUND: %s\n", lab.OneLine(f))
		}
		fmt.Fprintf(&b, "- repeat: %s\n\n", r.options.repeat(x.number))
	}
	if r.options.verbose || bad > 0 {
		for _, x := range r.rounds {
			if r.options.verbose || len(x.found) > 0 {
				b.WriteString(x.transcript())
			}
		}
	}
	fmt.Fprintf(&b, "%d rounds, %d with violations, seed %d\n", len(r.rounds), bad, r.options.seed)
	return b.String()
}

// row returns the cells of a round.
func (x *round) row() []string {
	cells := []string{fmt.Sprint(x.number), x.what() + x.from + " → " + x.to, x.fault.name, "–", "–", "–", "–", "–", "–", "none"}
	if x.first != nil {
		cells[3] = "too late"
		if x.first.struck {
			cells[3] = x.moment()
		}
		cells[4] = x.first.send + ", " + x.first.recv
		cells[5] = fmt.Sprintf("%d of %d", x.kept, len(x.image.Layers))
		cells[6] = cli.Bytes(x.missing)
		cells[8] = fmt.Sprintf("%.1f", x.first.took.Seconds())
	}
	if x.next != nil {
		cells[7] = cli.Bytes(x.next.wire)
		cells[8] += fmt.Sprintf(" + %.1f", x.next.took.Seconds())
	}
	if len(x.found) > 0 {
		cells[9] = fmt.Sprintf("**%d**", len(x.found))
	}
	return cells
}

// what says that a container is sent.
func (p plan) what() string {
	if p.container {
		return "container, "
	}
	return ""
}

// moment says when the fault came, and how long it lasted.
func (p plan) moment() string {
	text := fmt.Sprintf("at %.0f %%", 100*p.when)
	if p.after > 0 {
		text += fmt.Sprintf(" + %.2f s", p.after.Seconds())
	}
	if p.fault.timed {
		text += fmt.Sprintf(", for %.1f s", p.lasts.Seconds())
	}
	return text
}

// transcript returns what both programs said.
func (x *round) transcript() string {
	var b strings.Builder
	for _, part := range []struct {
		title string
		r     *result
	}{{x.fault.name, x.first}, {"next try", x.next}} {
		if part.r == nil {
			continue
		}
		fmt.Fprintf(&b, "Round %d, %s:\n\n", x.number, part.title)
		for line := range strings.Lines(strings.TrimSpace(part.r.said)) {
			fmt.Fprintf(&b, "    %s\n", strings.TrimRight(line, "\n"))
		}
		b.WriteString("\n")
	}
	return b.String()
}
