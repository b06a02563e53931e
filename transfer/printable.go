package transfer

import "unicode"

// Printable replaces what could move a terminal's cursor or turn the direction
// of its text: what the other side says is shown to the user.
func Printable(s string) string {
	clean := []rune(s[:min(len(s), 16<<10)])
	for i, r := range clean {
		if !unicode.IsPrint(r) {
			clean[i] = ' '
		}
	}
	return string(clean)
}
