package store

import (
	"path"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/transfer"
)

// IsPattern reports whether an argument is a pattern of [Matches] and not a name: an
// asterisk is in no name.
func IsPattern(s string) bool { return strings.Contains(s, "*") }

// Expand returns a request for each of the arguments, in their order, and in the place of
// a pattern one for each of the names that it matches. An image is requested once by each
// name. Expand notes patterns that match nothing.
//
// names are those of the images in the store, which is called where.
func (s *Search) Expand(args []string, where string, names []string) []Request {
	var out []Request
	seen := map[string]bool{}
	take := func(r Request) {
		key := r.Image
		if n, err := ParseName(key); err == nil {
			key = n.String()
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, r)
		}
	}
	for _, arg := range args {
		if !IsPattern(arg) {
			take(Request{Image: arg})
			continue
		}
		matched := false
		for _, n := range names {
			if Matches([]string{arg}, n) {
				matched = true
				take(Request{Image: n, Listed: true})
			}
		}
		if !matched {
			_ = s.Note(unmatched(arg, where, names)) // is a MissingError
		}
	}
	return out
}

// All returns a request for each of the names.
func All(names []string) []Request {
	out := make([]Request, len(names))
	for i, n := range names {
		out[i] = Request{Image: n, Listed: true}
	}
	return out
}

// unmatched returns the error for a pattern that matches none of the names.
func unmatched(pattern, where string, names []string) *transfer.Error {
	err := &transfer.Error{Kind: transfer.KindEngine, Err: &MissingError{Images: []string{pattern}, Where: where},
		Hint: "a * stands for anything but a slash"}
	if near := like(pattern, names); len(near) > 0 {
		err.Hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return err
}

// like returns up to three of the names that a pattern with a small mistake could mean:
// in its folder, or in its last part.
func like(pattern string, names []string) []string {
	dir, base := path.Split(pattern)
	word := strings.ReplaceAll(base, "*", "")
	most := func(s string) int { return 1 + len(s)/5 }
	var out []string
	for _, n := range names {
		d, b := path.Split(n)
		repo, _, _ := strings.Cut(b, ":")
		sameDir, sameBase := d == dir, Matches([]string{base}, b)
		if len(out) < 3 && !slices.Contains(out, n) && (sameBase && d != "" && Distance(d, dir) <= most(dir) ||
			sameDir && word != "" && (strings.Contains(repo, word) || Distance(repo, word) <= most(word))) {
			out = append(out, n)
		}
	}
	return out
}
