package peer

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// wordText is the EFF's "short wordlist 2.0" (Joseph Bonneau, Electronic
// Frontier Foundation, 2016), one word a line, in the EFF's order and without
// the dice numbers:
//
//	https://www.eff.org/files/2016/09/08/eff_short_wordlist_2_0.txt
//
// It is licensed under Creative Commons Attribution 3.0 United States,
// https://creativecommons.org/licenses/by/3.0/us/. No two words begin with the
// same three letters, and no single slip of a finger turns one into another:
// a typing error is noticed before it costs a code.
//
//go:embed words.txt
var wordText string

// wordList returns the words, sorted.
var wordList = sync.OnceValue(func() []string { return strings.Fields(wordText) })

const (
	// wordPrefix is how many letters tell all the words apart.
	wordPrefix = 3

	// maxSlips is how far a mistyped word may be from the one that an error
	// suggests, in letters.
	maxSlips = 3
)

// findWord returns the index of the one word that is text, or that begins with
// it if that is long enough to be sure.
func findWord(text string) (int, bool) {
	words := wordList()
	i, exact := slices.BinarySearch(words, text)
	if exact {
		return i, true
	}
	if len(text) >= wordPrefix && i < len(words) && strings.HasPrefix(words[i], text) {
		return i, true
	}
	return 0, false
}

// nearestWord returns the word that is the least slips away from text, or ""
// if none is near.
func nearestWord(text string) string {
	best, least := "", maxSlips+1
	for _, word := range wordList() {
		if d := slips(text, word); d < least {
			best, least = word, d
		}
	}
	return best
}

// slips counts the letters to add, remove or change to turn a into b
// (Levenshtein's distance).
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
