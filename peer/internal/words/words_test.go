package words

import (
	"strings"
	"testing"
)

// What the EFF says of its list, and what codes are built on.
func TestWords(t *testing.T) {
	all := All()
	if len(all) != 1296 {
		t.Fatalf("%d words", len(all))
	}
	prefixes := map[string]bool{}
	for i, word := range all {
		if len(word) < 3 || prefixes[word[:3]] || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-") != "" {
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
