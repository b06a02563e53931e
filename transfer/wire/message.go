package wire

import (
	"errors"
	"slices"

	"github.com/imgsend/imgsend/transfer"
)

// Protocol is the version of the protocol that this package implements, see
// PROTOCOL.md.
const Protocol = 1

// Hello is the first frame of either side.
type Hello struct {
	Protocol int    `json:"protocol"`
	Program  string `json:"program"`            // "imgsend 1.0"
	Host     string `json:"host,omitempty"`     // the name of the host
	Engine   string `json:"engine,omitempty"`   // "Docker 28.5.2, containerd store"
	Platform string `json:"platform,omitempty"` // "linux/amd64", of that engine's host
	// Features are the protocol features that this side supports. The two sides use
	// those that both support. This package sets them.
	Features []string `json:"features,omitempty"`

	// Session identifies the transfer when it resumes over another stream. The side that
	// was dialed chooses it, and only the two sides know it. In the hello of another
	// stream, the side that dials sends it, with the number of counted frames that it has
	// received. This package sets both.
	Session  string `json:"session,omitempty"`
	Received uint64 `json:"received,omitempty"`
	// Retry is how long this side tries or waits to resume, in seconds. This package
	// sets it.
	Retry int `json:"retry,omitempty"`
}

// Features that this package supports.
const (
	// featureDeciding: its alive frames have the phase "deciding" while it asks its user.
	featureDeciding = "deciding"
	// featureMany: as a receiver it accepts offers of more than fewImages images, and
	// images with more than fewRefs names.
	featureMany = "many"
	// featureResume: it resumes over another stream when one breaks, and acknowledges
	// counted frames in its alive and credit frames.
	featureResume = "resume"
)

var features = []string{featureDeciding, featureMany}

// Limits of an offer to a receiver without featureMany.
const (
	fewImages = 256
	fewRefs   = 256
)

// Limits of the features in a hello. Features beyond them are ignored.
const (
	maxFeatures = 32
	maxFeature  = 32 // bytes
)

// common returns the features that are in both lists.
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
	// Kept describes the layers that the receiver's engine keeps for the next attempt.
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
	// Keep the frame within its limit.
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

// alive is the payload of the frame that a side sends at regular intervals to show that
// it is alive.
type alive struct {
	Phase string `json:"phase,omitempty"`
	// Received is the number of content bytes received, as [movement] counts them.
	Received int64 `json:"received,omitempty"`
	// Frames is the number of counted frames received, if both sides resume.
	Frames uint64 `json:"frames,omitempty"`
	// Sent by a receiver: its engine has loaded Layers of the Of layers that it did not
	// have, and Loaded bytes.
	Layers int   `json:"layers,omitempty"`
	Of     int   `json:"of,omitempty"`
	Loaded int64 `json:"loaded,omitempty"`
	// Queue, if not nil, is why the other side has to wait for its turn.
	Queue *Queue `json:"queue,omitempty"`
}

// Limits of what a receiver may report as loaded.
const (
	maxLoadedLayers = 1 << 20
	maxLoadedBytes  = 1 << 56
)

// validate returns an error if the loaded layers or bytes are impossible.
func (a *alive) validate() error {
	if a.Layers < 0 || a.Layers > a.Of || a.Of > maxLoadedLayers || a.Loaded < 0 || a.Loaded > maxLoadedBytes {
		return transfer.Broken("%d of %d layers loaded, %d bytes", a.Layers, a.Of, a.Loaded)
	}
	return nil
}
