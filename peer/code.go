package peer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"github.com/imgsend/imgsend/peer/internal/words"
)

// ErrBadCode means that a text is not a code. The user mistyped it; no code was used up.
var ErrBadCode = errors.New("not a code")

const (
	// CodeForm shows what a code looks like, for help texts and hints.
	CodeForm = "7-crystal-tulip"

	// newCodeNumbers is how many different numbers new codes have. Few numbers are short to
	// say.
	newCodeNumbers = 99

	// maxCodeNumber is the highest number of a code.
	maxCodeNumber = 999

	// maxCode is the greatest length of the text of a code, in bytes.
	maxCode = 128
)

// Code lets two hosts pair when they connect for the first time. Its number identifies the
// listening host and is public: the host announces it. Its two words, each chosen from 1024,
// are a secret of 20 bits that allows one guess. The zero Code is no code.
//
// Package fmt, log/slog and encoding/json print the number of a Code and not its words.
// [Code.Reveal] returns the words, to be shown to the user who passes them on.
type Code struct {
	number        int
	first, second string
}

// NewCode returns a random code from crypto/rand.
func NewCode() (Code, error) {
	number, err := rand.Int(rand.Reader, big.NewInt(newCodeNumbers))
	if err != nil {
		return Code{}, fmt.Errorf("make a code: %w", err)
	}
	first, err := chooseWord()
	if err != nil {
		return Code{}, err
	}
	second, err := chooseWord()
	if err != nil {
		return Code{}, err
	}
	return Code{1 + int(number.Int64()), first, second}, nil
}

// chooseWord returns a word of the list at random, each with equal probability.
func chooseWord() (string, error) {
	all := words.All()
	i, err := rand.Int(rand.Reader, big.NewInt(int64(len(all))))
	if err != nil {
		return "", fmt.Errorf("make a code: %w", err)
	}
	return all[i.Int64()], nil
}

// ParseCode parses a code as users type it: in any case, with spaces, hyphens or underscores
// between its parts, and with words shortened to three letters or more. Errors wrap
// [ErrBadCode]. If a word is not in the list, the error suggests the nearest word that is, so a
// typing error is found before the code is used up. Errors quote nothing else of text.
func ParseCode(text string) (Code, error) {
	fail := func(format string, args ...any) (Code, error) {
		return Code{}, fmt.Errorf("%w: %s", ErrBadCode, fmt.Sprintf(format, args...))
	}
	if len(text) > maxCode {
		return fail("it is longer than %d bytes", maxCode)
	}
	parts := strings.FieldsFunc(strings.ToLower(text), isCodeSpace)
	if len(parts) == 0 {
		return fail("it is empty")
	}
	number, err := strconv.ParseUint(parts[0], 10, 16)
	if err != nil || number == 0 || number > maxCodeNumber || strings.HasPrefix(parts[0], "+") {
		return fail("it does not start with a number from 1 to %d; expected a form such as %s", maxCodeNumber, CodeForm)
	}
	typed := parts[1:]
	if len(typed) != 2 {
		return fail("it has %d words after its number and not 2; expected a form such as %s", len(typed), CodeForm)
	}
	var found [2]string
	for i, word := range typed {
		var ok bool
		if found[i], ok = words.Find(word); ok {
			continue
		}
		// Do not quote text that is far from every word: it may be part of a password.
		if near := words.Nearest(word); near != "" {
			return fail("%q is not one of the words, did you mean %q?", word, near)
		}
		return fail("the %s word is not one of the words that codes are made of", []string{"first", "second"}[i])
	}
	return Code{int(number), found[0], found[1]}, nil
}

func isCodeSpace(r rune) bool {
	return r == '-' || r == '_' || r == ' ' || r == '\t' || r == '\r' || r == '\n'
}

// looksLikeCode reports whether text starts with digits and a separator, like a code.
func looksLikeCode(text string) bool {
	rest := strings.TrimLeft(text, "0123456789")
	return rest != "" && len(rest) < len(text) && isCodeSpace(rune(rest[0]))
}

// IsZero reports whether c is no code.
func (c Code) IsZero() bool { return c.number == 0 }

// Number returns the public number, from 1 to 999.
func (c Code) Number() int { return c.number }

// Reveal returns the whole code, including its secret words, in the form that [ParseCode]
// parses. It returns "" for the zero Code.
func (c Code) Reveal() string {
	if c.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d-%s-%s", c.number, c.first, c.second)
}

// secret returns the secret for the key exchange.
func (c Code) secret() string { return c.first + " " + c.second }

// String returns the number, with stars in place of the words.
func (c Code) String() string {
	if c.IsZero() {
		return "no code"
	}
	return strconv.Itoa(c.number) + "-*-*"
}

// Format makes every verb of package fmt print the result of String, including verbs such as
// %#v that would print the fields.
func (c Code) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }
