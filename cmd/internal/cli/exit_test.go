package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
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

// TestErrorSide checks which side an error event blames.
func TestErrorSide(t *testing.T) {
	failed := func(kind transfer.Kind, remote bool) error {
		return fmt.Errorf("send: %w", &transfer.Error{Kind: kind, Remote: remote, Err: errors.New("x")})
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{&cli.UsageError{Err: errors.New("x")}, "here"},
		{&cli.UsageError{Err: peer.ErrRefused}, "here"},
		{errors.New("x"), "here"},
		{context.Canceled, "here"},
		{failed(transfer.KindEngine, false), "here"},
		{failed(transfer.KindRefused, false), "here"},
		{failed(transfer.KindEngine, true), "there"},
		{failed(transfer.KindRefused, true), "there"},
		{failed(transfer.KindInterrupted, true), "there"},
		{peer.ErrRefused, "there"},
		{peer.ErrBusy, "there"},
		{failed(transfer.KindBroken, false), "line"},
		{failed(transfer.KindBroken, true), "line"},
		{peer.ErrUnreachable, "line"},
	} {
		var out bytes.Buffer
		cli.NewVoiceTo(&out, io.Discard, true).Fail(test.err)
		if !strings.Contains(out.String(), `"side":"`+test.want+`"`) {
			t.Errorf("%v is not of %q: %s", test.err, test.want, out.String())
		}
	}
}
