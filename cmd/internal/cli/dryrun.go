package cli

import (
	"fmt"
	"strings"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// printPlan prints the answer of a dry run: a table of the layers, bottom first, that no
// terminal breaks, and their sum. A layer of several images counts once.
func (t *Transfer) printPlan(o *transfer.Offer, p *transfer.Plan) {
	var text strings.Builder // printed at once: others may print theirs
	if t.Voice.to != "" {
		fmt.Fprintf(&text, "to %s:\n", t.Voice.to)
	}
	var bytes, have int64
	seen := map[string]bool{}
	for i, ip := range Plans(o, p) {
		m := &o.Images[i]
		fmt.Fprintf(&text, "%s %s %s\n", Title(m), Short(m.ID), ip.Platform)
		var made []string
		if t.History != nil {
			made = t.History(m)
		}
		for j, l := range ip.Layers {
			word := t.Act
			if l.Have {
				word = t.Side
			}
			by := ""
			if j < len(made) {
				by = step(made[j])
			}
			row := fmt.Sprintf("%5d  %-5s %8s  %s  %s", j+1, word, Bytes(l.Bytes), Short(digest.Digest(l.DiffID)), by)
			fmt.Fprintf(&text, "%s\n", clipLine(strings.TrimRight(row, " "), lineWidth))
			if seen[l.DiffID] {
				continue
			}
			seen[l.DiffID] = true
			bytes += l.Bytes
			if l.Have {
				have += l.Bytes
			}
		}
	}
	fmt.Fprintf(&text, "would %s about %s of %s (%s already %s)\n", t.Act, Bytes(bytes-have), Bytes(bytes), Bytes(have), t.Side)
	t.Voice.Print("%s", text.String())
}

// step is what a history says of a layer, in one line and without what builders put
// around it.
func step(made string) string {
	made = strings.Join(strings.Fields(transfer.Printable(made)), " ")
	made = strings.TrimPrefix(made, "/bin/sh -c ")
	made = strings.TrimPrefix(made, "#(nop) ")
	return strings.TrimSpace(strings.TrimSuffix(made, "# buildkit"))
}
