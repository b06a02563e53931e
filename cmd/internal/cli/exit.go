package cli

import (
	"errors"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
)

// Exit statuses.
const (
	ExitOK          = 0   // arrived and verified
	ExitOther       = 1   // none of those below
	ExitUsage       = 2   // wrong flags or arguments
	ExitUnreachable = 3   // peer not found or unreachable
	ExitRefused     = 4   // refused or not authorised
	ExitEngineHere  = 5   // the engine on this host
	ExitEngineThere = 6   // the engine on the other host
	ExitBroken      = 7   // transfer broken or corrupt; safe to repeat
	ExitInterrupted = 130 // Ctrl-C
)

// ExitTable is the end of both help texts.
const ExitTable = `Exit status:
  0 arrived and verified   1 other              2 usage
  3 peer unreachable       4 refused            5 engine here    6 engine there
  7 transfer broken, safe to repeat             130 interrupted
`

// exits are the statuses as the manual page has them, with the words that error events
// have for them.
var exits = []struct {
	code  int
	kind  string
	means string
}{
	{ExitOK, "", "arrived and verified"},
	{ExitOther, "other", "other"},
	{ExitUsage, "usage", "wrong flags or arguments, or a file that is not what it should be"},
	{ExitUnreachable, "unreachable", "peer not found or unreachable"},
	{ExitRefused, "refused", "refused or not authorised"},
	{ExitEngineHere, "engine", "the engine on this host failed, or lacks the image"},
	{ExitEngineThere, "engine", "the engine on the other host failed"},
	{ExitBroken, "broken", "transfer broken or corrupt; safe to repeat"},
	{ExitInterrupted, "interrupted", "interrupted"},
}

// exitKind returns the word for an exit status.
func exitKind(code int) string {
	for _, e := range exits {
		if e.code == code {
			return e.kind
		}
	}
	return ""
}

// errorSide returns the side on which an error occurred.
func errorSide(err error) string {
	var te *transfer.Error
	remote := errors.As(err, &te) && te.Remote
	var usage *UsageError
	code := ExitCode(err)
	switch {
	case errors.As(err, &usage):
		return SideHere
	case errors.Is(err, peer.ErrBusy), errors.Is(err, peer.ErrRefused), errors.Is(err, peer.ErrOtherWay), errors.Is(err, peer.ErrWrongKey), errors.Is(err, peer.ErrNoCode),
		errors.Is(err, peer.ErrTooManyGuesses), errors.Is(err, peer.ErrCodeExpired), remote && te.Kind != transfer.KindBroken:
		return SideThere
	case code == ExitUnreachable, code == ExitBroken:
		return SideLine
	}
	return SideHere
}

// A UsageError is a mistake in the command line.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// ExitCode returns the exit status for err.
func ExitCode(err error) int {
	var usage *UsageError
	var missing *NotFoundError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage), errors.Is(err, peer.ErrBadTarget), errors.Is(err, peer.ErrBadAddr),
		errors.Is(err, peer.ErrBadCode), errors.Is(err, peer.ErrSelf):
		return ExitUsage
	case errors.Is(err, peer.ErrCodeUsed): // whatever the other side said then: a script must not try that code again
		return ExitRefused
	case errors.As(err, &missing), errors.Is(err, peer.ErrUnreachable), errors.Is(err, peer.ErrBusy):
		return ExitUnreachable
	case errors.Is(err, peer.ErrRefused), errors.Is(err, peer.ErrOtherWay), errors.Is(err, peer.ErrWrongKey), errors.Is(err, peer.ErrVersion),
		errors.Is(err, peer.ErrWrongCode), errors.Is(err, peer.ErrNoCode), errors.Is(err, peer.ErrCodeExpired),
		errors.Is(err, peer.ErrTooManyGuesses):
		return ExitRefused
	case errors.Is(err, peer.ErrPairing):
		return ExitBroken
	}
	var te *transfer.Error
	remote := errors.As(err, &te) && te.Remote
	switch transfer.KindOf(err) {
	case transfer.KindUsage:
		return ExitUsage
	case transfer.KindRefused:
		return ExitRefused
	case transfer.KindEngine:
		if remote {
			return ExitEngineThere
		}
		return ExitEngineHere
	case transfer.KindBroken:
		return ExitBroken
	case transfer.KindInterrupted:
		if remote {
			return ExitBroken
		}
		return ExitInterrupted
	}
	return ExitOther
}
