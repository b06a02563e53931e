package peer

import (
	"fmt"
	"strings"
)

// Rights are what a saved peer may do at this host, added up with |. To be reached from
// here a peer needs none.
type Rights uint8

const (
	// MaySend is the right to send images here.
	MaySend Rights = 1 << iota
	// MayFetch is the right to fetch images from here, of those that are offered.
	MayFetch
)

// rightWords are how each right is written.
var rightWords = []struct {
	right Rights
	word  string
}{{MaySend, "send"}, {MayFetch, "fetch"}}

// Has reports whether all rights of want are among r. Nobody has none of them.
func (r Rights) Has(want Rights) bool { return want != 0 && r&want == want }

// Words returns a word for each right: "send", "fetch".
func (r Rights) Words() []string {
	var words []string
	for _, w := range rightWords {
		if r.Has(w.right) {
			words = append(words, w.word)
		}
	}
	return words
}

// String returns the rights as the peers file has them: "send,fetch", or "-" for none.
func (r Rights) String() string {
	if words := r.Words(); len(words) > 0 {
		return strings.Join(words, ",")
	}
	return noField
}

// rightsField starts the field of the peers file that has the rights.
const rightsField = "may="

// cutRights takes the rights from what follows the other fields of a line: they are its
// first field, or, as in every file before there were others, not there. What is not
// understood is an error, and so is what looks as if it were meant for rights, so that
// a slip of the pen gives nobody a right.
func cutRights(text string) (have Rights, rest string, err error) {
	have, rest = MaySend, text
	first, others := text, ""
	if end := strings.IndexAny(text, " \t"); end >= 0 {
		first, others = text[:end], strings.TrimLeft(text[end:], " \t")
	}
	if value, ok := strings.CutPrefix(first, rightsField); ok {
		if have, err = parseRights(value); err != nil {
			return 0, "", err
		}
		rest = others
	}
	for field := range strings.FieldsSeq(rest) {
		_, err := parseRights(field)
		if err == nil || len(field) >= len("may") && strings.EqualFold(field[:len("may")], "may") {
			return 0, "", fmt.Errorf("%q is not where rights stand, which is behind the addresses, or not how, which is may=send, may=fetch, may=send,fetch or may=-", field)
		}
	}
	return have, rest, nil
}

// parseRights is the inverse of String.
func parseRights(text string) (Rights, error) {
	if text == noField {
		return 0, nil
	}
	var all Rights
	for word := range strings.SplitSeq(text, ",") {
		right := Rights(0)
		for _, w := range rightWords {
			if w.word == word {
				right = w.right
			}
		}
		if right == 0 || all.Has(right) {
			return 0, fmt.Errorf("%q are no rights, which are send, fetch, send,fetch or -", text)
		}
		all |= right
	}
	return all, nil
}
