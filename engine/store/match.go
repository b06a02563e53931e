package store

import (
	"path"
	"strings"

	"github.com/distribution/reference"
)

// CheckPattern reports what is wrong with a pattern of [Matches].
func CheckPattern(pattern string) error {
	_, err := path.Match(pattern, "")
	return err
}

// Matches reports whether an image name matches one of the patterns, in which *
// matches anything but a slash. A pattern without a tag takes every tag.
func Matches(patterns []string, ref string) bool {
	name, err := ParseName(ref)
	if err != nil {
		return false
	}
	short := reference.FamiliarString(name)
	for _, p := range patterns {
		if !strings.Contains(p[strings.LastIndexByte(p, '/')+1:], ":") {
			p += ":*"
		}
		if ok, err := path.Match(p, short); err == nil && ok {
			return true
		}
	}
	return false
}
