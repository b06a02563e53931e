package main

import (
	"errors"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/transfer"
)

// TestRepeated ends with another status than a broken connection where there is none.
func TestRepeated(t *testing.T) {
	for kind, want := range map[transfer.Kind]int{transfer.KindBroken: cli.ExitOther, transfer.KindEngine: cli.ExitEngineHere} {
		err := repeated(&transfer.Error{Kind: kind, Err: errors.New("blob"), Hint: "a way out"})
		if code := cli.ExitCode(err); code != want || cli.Hint(err, "imgrecv") != "a way out" {
			t.Errorf("%s: status %d, hint %q", kind, code, cli.Hint(err, "imgrecv"))
		}
	}
	if err := repeated(nil); err != nil {
		t.Error(err)
	}
	if hint := cli.Hint(repeated(&transfer.Error{Kind: transfer.KindBroken}), "imgrecv"); hint != "" {
		t.Errorf("the hint %q", hint)
	}
}
