package store

import (
	"sort"
	"strings"
)

// Nearest returns up to three of the names that look most like s: the same
// repository with other tags first, then small typing mistakes.
func Nearest(s string, names []string) []string {
	type scored struct {
		name  string
		score int
	}
	repo := func(n string) string {
		if i := strings.LastIndexByte(n, ':'); i > strings.LastIndexByte(n, '/') {
			return n[:i]
		}
		return n
	}
	base := func(n string) string { return n[strings.LastIndexByte(n, '/')+1:] }
	var found []scored
	for _, n := range names {
		switch d := Distance(s, n); {
		case repo(n) == repo(s):
			found = append(found, scored{n, d})
		case base(repo(n)) == base(repo(s)):
			found = append(found, scored{n, 100 + d})
		case Distance(base(repo(s)), base(repo(n))) <= 1+len(base(repo(s)))/5:
			found = append(found, scored{n, 200 + d})
		}
	}
	sort.Slice(found, func(i, j int) bool {
		if found[i].score != found[j].score {
			return found[i].score < found[j].score
		}
		return found[i].name < found[j].name
	})
	var out []string
	for i, f := range found {
		if i == 3 {
			break
		}
		out = append(out, f.name)
	}
	return out
}

// Distance returns the Levenshtein distance of a and b, in bytes.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diag, row[j+1] = row[j+1], min(diag+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
