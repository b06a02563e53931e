package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind is the class of a failure, as far as the caller can act on it. The protocol uses
// the same words.
type Kind string

// The kinds of failure.
const (
	KindOther       Kind = "other"       // none of those below
	KindUsage       Kind = "usage"       // the request makes no sense
	KindRefused     Kind = "refused"     // the receiving side does not want it
	KindEngine      Kind = "engine"      // the engine on that side failed or lacks the image
	KindBroken      Kind = "broken"      // the stream ended early, or what came is not what was promised
	KindInterrupted Kind = "interrupted" // somebody pressed Ctrl-C
)

// An Error says on which side a transfer failed, and why.
type Error struct {
	Kind   Kind
	Remote bool   // it happened on the other host, which said so
	Op     string // what was being done: "save webapp:1.0"; may be empty
	Err    error
	Hint   string // what the user can do, or empty
}

func (e *Error) Error() string {
	text := "unknown error"
	if e.Err != nil {
		text = e.Err.Error()
	}
	if e.Op != "" {
		text = e.Op + ": " + text
	}
	if e.Remote {
		// Its other side is this one.
		if about, ok := strings.CutPrefix(text, "the other side "); ok {
			text = "this side " + about
		}
		text = "the other side: " + text
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of err: that of the outermost [Error] in its chain,
// [KindInterrupted] for a cancelled context, else [KindOther].
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled):
		return KindInterrupted
	}
	return KindOther
}

var errInterrupted = errors.New("interrupted")

// errClosed ends pending calls when an end of a copy is closed.
var errClosed = errors.New("transfer closed")

// Broken returns an error of [KindBroken].
func Broken(format string, args ...any) error {
	return &Error{Kind: KindBroken, Err: fmt.Errorf(format, args...)}
}
