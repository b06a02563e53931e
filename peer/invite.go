package peer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrTooManyGuesses means that one code after the other was tried wrongly.
var ErrTooManyGuesses = errors.New("too many wrong codes")

const (
	// maxWrongCodes is how many codes may be used up by wrong guesses.
	maxWrongCodes = 5

	// firstPause is how long to wait before a new code after a wrong guess. It
	// doubles each time.
	firstPause = 2 * time.Second
)

// Invitation says how to be met.
type Invitation struct {
	// Name is what this host calls itself, see [CleanName].
	Name string
	// Code makes the next code; nil is [NewCode].
	Code func() (Code, error)
	// Show is called with each code as it comes out, and withdrawn with why it
	// is of no use any more: [ErrWrongCode], [ErrCodeExpired] or [ErrPairing].
	// It is not called for a code that worked. Both run one after the other.
	Show      func(Code)
	Withdrawn func(Code, error)
	// Paired is as in [PairingConfig].
	Paired func(Paired) error
	// Life is as in [PairingConfig].
	Life time.Duration

	pause time.Duration // firstPause unless a test is in a hurry
}

// Invite puts out one code after the other until somebody used one rightly, and
// returns who. After a wrong guess it waits a while, longer each time, before
// the next code, and after the fifth returns [ErrTooManyGuesses]. A code that
// expired, or whose pairing broke off, is followed by another at once. When ctx
// ends, so does the code that is out.
func (h *Host) Invite(ctx context.Context, invitation Invitation) (Paired, error) {
	newCode := invitation.Code
	if newCode == nil {
		newCode = NewCode
	}
	pause := invitation.pause
	if pause == 0 {
		pause = firstPause
	}
	for wrong := 0; ; {
		code, err := newCode()
		if err != nil {
			return Paired{}, err
		}
		met, err := h.inviteOnce(ctx, code, invitation)
		if err == nil {
			return met, nil
		}
		guessed := errors.Is(err, ErrWrongCode)
		if !guessed && !errors.Is(err, ErrCodeExpired) && !errors.Is(err, ErrPairing) {
			return Paired{}, err
		}
		if invitation.Withdrawn != nil {
			invitation.Withdrawn(code, err)
		}
		if !guessed {
			continue
		}
		if wrong++; wrong >= maxWrongCodes {
			return Paired{}, fmt.Errorf("%w: %d in a row", ErrTooManyGuesses, wrong)
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return Paired{}, context.Cause(ctx)
		}
	}
}

func (h *Host) inviteOnce(ctx context.Context, code Code, invitation Invitation) (Paired, error) {
	p, err := h.Pair(PairingConfig{Code: code, Name: invitation.Name, Life: invitation.Life, Paired: invitation.Paired})
	if err != nil {
		return Paired{}, err
	}
	defer p.Cancel()
	if invitation.Show != nil {
		invitation.Show(code)
	}
	return p.Wait(ctx)
}
