package wire

import (
	"errors"
	"slices"

	"github.com/imgsend/imgsend/transfer"
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

	// Session is what the side that was dialed calls this transfer, to go on with it over
	// another stream: a secret of the two sides. The side that dials says it when it
	// does, and with it how many counted frames it has received. This package sets them.
	Session  string `json:"session,omitempty"`
	Received uint64 `json:"received,omitempty"`
	// Retry is for how long this side tries to, or waits for it, in seconds.
	Retry int `json:"retry,omitempty"`
}

// Features that this package knows.
const (
	// featureDeciding: its signs of life say so while a person is asked.
	featureDeciding = "deciding"
	// featureMany: as a receiver it takes offers of more than fewImages images, and
	// images of more than fewRefs names.
	featureMany = "many"
	// featureResume: it goes on over another stream when one breaks, and says in
	// alive and credit how many frames it has received.
	featureResume = "resume"
)

var features = []string{featureDeciding, featureMany}

// What every receiver takes.
const (
	fewImages = 256
	fewRefs   = 256
)

// Limits of a hello's features; what is beyond them is ignored.
const (
	maxFeatures = 32
	maxFeature  = 32 // bytes
)

// common returns the features that both sides have.
func common(mine, theirs []string) []string {
	var both []string
	for _, f := range mine {
		if slices.Contains(theirs, f) {
			both = append(both, f)
		}
	}
	return both
}

// failure is a [transfer.Error] on the wire.
type failure struct {
	Kind    transfer.Kind `json:"kind"`
	Message string        `json:"message"`
	Hint    string        `json:"hint,omitempty"`
	// Kept is what the receiver's engine keeps for the next try.
	Kept *transfer.Kept `json:"kept,omitempty"`
}

func toFailure(err error) failure {
	f := failure{Kind: transfer.KindOf(err), Message: err.Error()}
	var e *transfer.Error
	if errors.As(err, &e) {
		f.Hint = e.Hint
	}
	if k := (*transfer.KeptError)(nil); errors.As(err, &k) {
		f.Kept = &k.Kept
	}
	// A frame has a limit, and nobody reads more than this.
	f.Message = clip(f.Message, 8<<10)
	f.Hint = clip(f.Hint, 1<<10)
	return f
}

func (f failure) err() error {
	e := &transfer.Error{Kind: f.Kind, Remote: true, Err: errors.New(transfer.Printable(f.Message)), Hint: transfer.Printable(f.Hint)}
	switch f.Kind {
	case transfer.KindUsage, transfer.KindRefused, transfer.KindEngine, transfer.KindBroken, transfer.KindInterrupted:
	default:
		e.Kind = transfer.KindOther
	}
	if k := f.Kept; k != nil && k.Layers > 0 && k.Layers <= k.Of && k.Bytes >= 0 {
		return &transfer.KeptError{Err: e, Kept: *f.Kept}
	}
	return e
}

func (h *Hello) clean() {
	for _, s := range []*string{&h.Program, &h.Host, &h.Engine, &h.Platform, &h.Session} {
		*s = clip(transfer.Printable(*s), 200)
	}
	h.Features = h.Features[:min(len(h.Features), maxFeatures)]
	h.Features = slices.DeleteFunc(h.Features, func(f string) bool { return len(f) > maxFeature || !isPlain(f) })
}

// alive is sent when there is nothing else to say.
type alive struct {
	Phase string `json:"phase,omitempty"`
	// Received is how many bytes of content came in, as [movement] counts them.
	Received int64 `json:"received,omitempty"`
	// Frames is how many counted frames came in, where both sides resume.
	Frames uint64 `json:"frames,omitempty"`
	// Of a receiver: how many layers its engine has loaded, of how many that it did not
	// have, and how many bytes.
	Layers int   `json:"layers,omitempty"`
	Of     int   `json:"of,omitempty"`
	Loaded int64 `json:"loaded,omitempty"`
	// Queue is why the other side has to wait for its turn, if it has to.
	Queue *Queue `json:"queue,omitempty"`
}

// Limits of what a receiver may say that it has loaded.
const (
	maxLoadedLayers = 1 << 20
	maxLoadedBytes  = 1 << 56
)

// validate reports a sign of life that cannot be true.
func (a *alive) validate() error {
	if a.Layers < 0 || a.Layers > a.Of || a.Of > maxLoadedLayers || a.Loaded < 0 || a.Loaded > maxLoadedBytes {
		return transfer.Broken("%d of %d layers loaded, %d bytes", a.Layers, a.Of, a.Loaded)
	}
	return nil
}
