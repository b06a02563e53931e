package cli

import (
	"io"
	"strings"
	"unicode/utf8"
)

// A screen shows one line at the bottom of a terminal, over and over. It needs nothing
// of the terminal but a carriage return.
type screen struct {
	w     io.Writer
	width func() int // of the terminal, in columns
	shown int        // columns that are in use
}

// show puts a line in place of the one before. It is cut so that the terminal never
// begins another one.
func (s *screen) show(line string) {
	line = clipLine(line, s.width()-1)
	n := utf8.RuneCountInString(line)
	pad := strings.Repeat(" ", max(0, min(s.shown, s.width()-1)-n))
	_, _ = io.WriteString(s.w, "\r"+line+pad)
	s.shown = n
}

// clear takes the line away.
func (s *screen) clear() {
	if s.shown > 0 {
		_, _ = io.WriteString(s.w, "\r"+strings.Repeat(" ", min(s.shown, s.width()-1))+"\r")
		s.shown = 0
	}
}

// clipLine cuts a text to so many columns.
func clipLine(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	return string([]rune(text)[:max(0, columns-1)]) + "…"
}
