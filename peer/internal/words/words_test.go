package words

import (
	"strings"
	"testing"
)

// Codes depend on these properties of the EFF's list, which must hold for the words taken from
// it.
func TestWords(t *testing.T) {
	all := All()
	if len(all) != 1024 {
		t.Fatalf("%d words", len(all))
	}
	prefixes := map[string]bool{}
	for i, word := range all {
		if len(word) < 3 || prefixes[word[:3]] || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q cannot be told apart by three letters", word)
		}
		prefixes[word[:3]] = true
		if i > 0 && all[i-1] >= word {
			t.Errorf("%q is not in order", word)
		}
		for _, other := range all[:i] {
			if slips(word, other) < 2 {
				t.Errorf("one slip turns %q into %q", word, other)
			}
		}
	}
}

// Words that are rude or hard to spell are not in the list.
func TestWordsCanBeReadOut(t *testing.T) {
	for _, word := range []string{"badass", "imbecile", "kamikaze", "knickers", "euthanize", "gynecology", "psychopath", "caucasian", "womb",
		"itunes", "yahoo", "xerox", "osmosis", "ionosphere", "esophagus", "yo-yo"} {
		if found, ok := Find(word); ok {
			t.Errorf("%q is %q", word, found)
		}
	}
	for _, word := range All() {
		if len(word) > 12 {
			t.Errorf("%q is long", word)
		}
	}
}
