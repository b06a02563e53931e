package peer

import (
	"errors"
	"fmt"
	"strings"
)

// ErrBadName means that a text is not a valid name of a peer.
var ErrBadName = errors.New("not a name for a peer")

const (
	// maxName is the greatest length of a name in bytes, that of a DNS label.
	maxName = 63

	// fallbackName is what [CleanName] returns if no usable character is left.
	fallbackName = "host"

	// idPrefix is the start of a peer ID in lower case.
	idPrefix = "12d3koo"
)

// CheckName returns an error that wraps [ErrBadName] unless name is a valid name of a peer: 1
// to 63 characters of a-z, 0-9, - and _, with a letter or digit at both ends, and nothing that
// looks like a number, a code, an address, a peer ID or an option.
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

// CleanName returns a name that [CheckName] accepts, made from a host name or any other text:
// the first label in lower case, with invalid characters replaced.
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

// shorten cuts name to at most most bytes, and so that a letter or digit is at both ends.
func shorten(name string, most int) string {
	name = strings.TrimLeft(name, "-_")
	return strings.TrimRight(name[:min(len(name), most)], "-_")
}

// suffixed returns name with -n at its end, shortened to maxName bytes.
func suffixed(name string, n int) string {
	suffix := fmt.Sprintf("-%d", n)
	return shorten(name, maxName-len(suffix)) + suffix
}
