package cli

import (
	"io"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"
)

// A screen shows one line at the bottom of a terminal, over and over, or a row for each of
// several receivers. For one line it needs nothing of the terminal but a carriage return,
// and where the terminal wraps, cursor up.
type screen struct {
	w     io.Writer
	width func() int // of the terminal, in columns
	wraps bool       // the terminal wraps a line for which it has become too narrow
	shown int        // columns of the line
	used  int        // columns that are written to, with spaces

	controls bool  // the terminal takes control sequences
	rows     []row // in place of the line, where there are several
	drawn    int   // how many of them are on the terminal
}

// wraps reports whether the terminal of this process wraps lines for which it becomes too
// narrow. Most do; xterm and the Linux console cut them. The Windows console takes no
// control sequences.
func wraps() bool {
	return runtime.GOOS != "windows" && os.Getenv("XTERM_VERSION") == "" && os.Getenv("TERM") != "linux"
}

// show puts a line in place of the one before. It is cut so that the terminal never
// begins another one.
func (s *screen) show(line string) {
	s.unwrap()
	line = clipLine(line, s.width()-1)
	n := utf8.RuneCountInString(line)
	pad := strings.Repeat(" ", max(0, min(s.shown, s.width()-1)-n))
	_, _ = io.WriteString(s.w, "\r"+line+pad)
	s.shown, s.used = n, max(s.used, n)
}

// clear erases the line, or all rows; showRow brings the other rows back.
func (s *screen) clear() {
	s.clearRows()
	s.unwrap()
	if s.shown > 0 {
		_, _ = io.WriteString(s.w, "\r"+strings.Repeat(" ", min(s.shown, s.width()-1))+"\r")
	}
	s.shown, s.used = 0, 0
}

// unwrap erases the rows that the line takes up if the terminal has become too narrow for
// it, and goes to the first of them.
func (s *screen) unwrap() {
	if !s.wraps {
		return
	}
	width := s.width()
	if s.used <= width {
		return
	}
	const eraseLine, up = "\x1b[2K", "\x1b[A"
	_, _ = io.WriteString(s.w, "\r"+eraseLine+strings.Repeat(up+eraseLine, (s.used-1)/width))
	s.shown, s.used = 0, 0
}

// clipLine cuts a text to a number of columns.
func clipLine(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	return string([]rune(text)[:max(0, columns-1)]) + "…"
}
