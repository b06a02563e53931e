package words

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// text is the list, one word a line, without the dice numbers of the original.
//
//go:embed words.txt
var text string

// All returns the words, sorted. Callers must not change the slice.
var All = sync.OnceValue(func() []string { return strings.Fields(text) })

const (
	// prefix is the number of letters that identify a word.
	prefix = 3

	// maxSlips is the greatest distance between a mistyped word and the word that Nearest
	// suggests, in letters.
	maxSlips = 3
)

// Find returns the word that equals typed, or that starts with typed if typed has at least
// three letters. It returns false if there is none.
func Find(typed string) (string, bool) {
	all := All()
	i, exact := slices.BinarySearch(all, typed)
	if exact {
		return typed, true
	}
	if len(typed) >= prefix && i < len(all) && strings.HasPrefix(all[i], typed) {
		return all[i], true
	}
	return "", false
}

// Nearest returns the word with the smallest Levenshtein distance from typed, or "" if that
// exceeds three.
func Nearest(typed string) string {
	best, least := "", maxSlips+1
	for _, word := range All() {
		if d := slips(typed, word); d < least {
			best, least = word, d
		}
	}
	return best
}

// slips returns the Levenshtein distance: the number of letters to add, remove or change to
// turn a into b.
func slips(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
