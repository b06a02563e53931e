package transfer

import (
	"errors"
	"slices"
	"unicode"
)

// Protocol is the version of the wire that this package speaks; PROTOCOL.md
// describes it.
const Protocol = 1

// Hello is the first frame of either side.
type Hello struct {
	Protocol int    `json:"protocol"`
	Program  string `json:"program"`            // "imgsend 1.0"
	Host     string `json:"host,omitempty"`     // what the host calls itself
	Engine   string `json:"engine,omitempty"`   // "Docker 28.5.2, containerd store"
	Platform string `json:"platform,omitempty"` // "linux/amd64", of that engine's host
	// Features are words for what this side can do beyond the version. A side
	// uses what both have. This package sets them.
	Features []string `json:"features,omitempty"`
}

// Features that this package knows.
const (
	// featureDeciding: its signs of life say so while a person is asked.
	featureDeciding = "deciding"
)

var features = []string{featureDeciding}

// Limits of a hello's features; what is beyond them is ignored.
const (
	maxFeatures = 32
	maxFeature  = 32 // bytes
)

// common returns the features that h shares with this package.
func (h *Hello) common() []string {
	var both []string
	for _, f := range features {
		if slices.Contains(h.Features, f) {
			both = append(both, f)
		}
	}
	return both
}

// failure is an [Error] on the wire.
type failure struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func toFailure(err error) failure {
	f := failure{Kind: KindOf(err), Message: err.Error()}
	var e *Error
	if errors.As(err, &e) {
		f.Hint = e.Hint
	}
	// A frame has a limit, and nobody reads more than this.
	f.Message = clip(f.Message, 8<<10)
	f.Hint = clip(f.Hint, 1<<10)
	return f
}

func (f failure) err() error {
	e := &Error{Kind: f.Kind, Remote: true, Err: errors.New(Printable(f.Message)), Hint: Printable(f.Hint)}
	switch f.Kind {
	case KindUsage, KindRefused, KindEngine, KindBroken, KindInterrupted:
	default:
		e.Kind = KindOther
	}
	return e
}

// clip cuts s to at most n bytes.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// Printable replaces what could move a terminal's cursor or turn the direction
// of its text: what the other side says is shown to the user.
func Printable(s string) string {
	clean := []rune(clip(s, 16<<10))
	for i, r := range clean {
		if !unicode.IsPrint(r) {
			clean[i] = ' '
		}
	}
	return string(clean)
}

func (h *Hello) clean() {
	for _, s := range []*string{&h.Program, &h.Host, &h.Engine, &h.Platform} {
		*s = clip(Printable(*s), 200)
	}
	h.Features = h.Features[:min(len(h.Features), maxFeatures)]
	h.Features = slices.DeleteFunc(h.Features, func(f string) bool { return len(f) > maxFeature || !isPlain(f) })
}

// alive is sent when there is nothing else to say.
type alive struct {
	Phase string `json:"phase,omitempty"`
	// Received is how many bytes of content came in, as [movement] counts them.
	Received int64 `json:"received,omitempty"`
}
