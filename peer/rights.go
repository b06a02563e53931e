package peer

import (
	"fmt"
	"strings"
)

// Rights is a set of rights that a saved peer has on this host, combined with |. A peer needs
// no right to be dialed from this host.
type Rights uint8

const (
	// MaySend is the right to send images to this host.
	MaySend Rights = 1 << iota
	// MayFetch is the right to fetch images that this host offers.
	MayFetch
)

// rightWords are the names of the rights in the peers file.
var rightWords = []struct {
	right Rights
	word  string
}{{MaySend, "send"}, {MayFetch, "fetch"}}

// Has reports whether r contains all rights in want. It returns false if want is 0.
func (r Rights) Has(want Rights) bool { return want != 0 && r&want == want }

// Words returns the name of each right: "send", "fetch".
func (r Rights) Words() []string {
	var words []string
	for _, w := range rightWords {
		if r.Has(w.right) {
			words = append(words, w.word)
		}
	}
	return words
}

// String returns the rights in the format of the peers file: "send,fetch", or "-" for none.
func (r Rights) String() string {
	if words := r.Words(); len(words) > 0 {
		return strings.Join(words, ",")
	}
	return noField
}

// rightsField is the prefix of the field with the rights in the peers file.
const rightsField = "may="

// cutRights parses the rights after the required fields of a line and returns them and the
// rest. The rights are the first field of text. If there is no such field, the right is
// MaySend, as in files of older releases. Rights that cannot be parsed are an error. So is any
// later field that looks like rights: a typing error must not give a peer a right.
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
			return 0, "", fmt.Errorf("%q does not give rights: after the addresses, expected may=send, may=fetch, may=send,fetch or may=-", field)
		}
	}
	return have, rest, nil
}

// parseRights is the inverse of Rights.String.
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
			return 0, fmt.Errorf("%q are not rights: expected send, fetch, send,fetch or -", text)
		}
		all |= right
	}
	return all, nil
}
