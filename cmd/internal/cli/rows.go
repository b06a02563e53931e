package cli

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
)

// A row is the line of one of several receivers.
type row struct{ of, text string }

// controls reports whether the terminal of this process takes control sequences (ECMA-48).
func controls() bool { return runtime.GOOS != "windows" }

// showRow puts a line in place of the one before, of the same receiver, each in a row of its
// own. Where the terminal takes no control sequences only the first one is shown.
func (s *screen) showRow(of, line string) {
	i := slices.IndexFunc(s.rows, func(r row) bool { return r.of == of })
	if i < 0 {
		i, s.rows = len(s.rows), append(s.rows, row{of: of})
	}
	s.rows[i].text = line
	if len(s.rows) == 1 || !s.controls {
		s.clearRows()
		s.show(s.rows[0].text)
		return
	}
	var b strings.Builder
	if s.drawn == 0 {
		s.clear()
	} else if s.drawn > 1 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn-1) // cursor up
	}
	for i, r := range s.rows {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString("\r" + clipLine(r.text, s.width()-1) + "\x1b[K") // erase the rest
	}
	_, _ = io.WriteString(s.w, b.String())
	s.drawn = len(s.rows)
}

// removeRow forgets the row of a receiver. The screen is clear.
func (s *screen) removeRow(of string) {
	s.rows = slices.DeleteFunc(s.rows, func(r row) bool { return r.of == of })
}

// clearRows takes the rows away.
func (s *screen) clearRows() {
	if s.drawn == 0 {
		return
	}
	if s.drawn > 1 {
		fmt.Fprintf(s.w, "\x1b[%dA", s.drawn-1)
	}
	_, _ = io.WriteString(s.w, "\r\x1b[J") // erase all below
	s.drawn = 0
}
