package peer

import (
	"errors"
	"fmt"
	"strings"
)

// ErrBadName means that a text cannot be the name of a peer.
var ErrBadName = errors.New("not a name for a peer")

const (
	// maxName is the length of the longest name, which is that of a DNS label.
	maxName = 63

	// fallbackName is what [CleanName] makes of nothing.
	fallbackName = "host"

	// idPrefix is how peer IDs start, in the case of names.
	idPrefix = "12d3koo"
)

// CheckName returns an error that wraps [ErrBadName] unless name can be that of a
// peer: 1 to 63 of a-z, 0-9, - and _, with a letter or digit at both ends,
// and nothing that could be taken for a number, a code, an address, a peer ID
// or an option.
func CheckName(name string) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrBadName, fmt.Sprintf(format, args...))
	}
	switch {
	case name == "":
		return fail("it is empty")
	case len(name) > maxName:
		return fail("it is longer than %d characters", maxName)
	case looksLikeCode(name):
		return fail("it looks like a code")
	case strings.Trim(name, "0123456789") == "":
		return fail("%q is a number", name)
	case strings.HasPrefix(name, idPrefix):
		return fail("it looks like a peer ID")
	}
	for _, r := range name {
		if !isNameRune(r) {
			return fail("%q: only a-z, 0-9, - and _ may be in it", name)
		}
	}
	if !isAlnum(name[0]) || !isAlnum(name[len(name)-1]) {
		return fail("%q must begin and end with a letter or a digit", name)
	}
	return nil
}

func isNameRune(r rune) bool {
	return r == '-' || r == '_' || r < 0x80 && isAlnum(byte(r))
}

func isAlnum(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' }

// CleanName makes a name that [CheckName] accepts of a host name, or of any text:
// its first label in lower case, with what cannot be in a name replaced.
func CleanName(hostname string) string {
	label, _, _ := strings.Cut(hostname, ".")
	name := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		if isNameRune(r) {
			return r
		}
		return '-'
	}, label)
	name = shorten(name, maxName)
	if name == "" {
		return fallbackName
	}
	if CheckName(name) != nil {
		name = shorten(fallbackName+"-"+name, maxName)
	}
	return name
}

// shorten cuts name to so many bytes, and to a letter or digit at both ends.
func shorten(name string, most int) string {
	name = strings.TrimLeft(name, "-_")
	return strings.TrimRight(name[:min(len(name), most)], "-_")
}

// suffixed returns name with -n at its end.
func suffixed(name string, n int) string {
	suffix := fmt.Sprintf("-%d", n)
	return shorten(name, maxName-len(suffix)) + suffix
}
