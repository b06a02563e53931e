package cli_test

import (
	"fmt"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
)

// TestExitCodeUsed ends as refused when a code is used up, whatever the other side says
// after the proof: a script that repeats what was unreachable or broken would give it
// another guess.
func TestExitCodeUsed(t *testing.T) {
	for _, said := range []error{peer.ErrBusy, peer.ErrPairing, peer.ErrNoCode, peer.ErrWrongCode, peer.ErrCodeExpired} {
		err := fmt.Errorf("pair: %w; %w", said, peer.ErrCodeUsed)
		if code := cli.ExitCode(err); code != cli.ExitRefused {
			t.Errorf("%v: status %d", err, code)
		}
	}
}
