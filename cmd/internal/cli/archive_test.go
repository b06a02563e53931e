package cli_test

import (
	"errors"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/transfer"
)

// TestUnusable ends with the status of a wrong argument where an archive is not what
// it should be, and does not say that it is safe to repeat.
func TestUnusable(t *testing.T) {
	for kind, want := range map[transfer.Kind]int{transfer.KindBroken: cli.ExitUsage, transfer.KindEngine: cli.ExitEngineHere, transfer.KindRefused: cli.ExitRefused} {
		err := cli.UnusableArchive(&transfer.Error{Kind: kind, Err: errors.New("it ends early")})
		if code := cli.ExitCode(err); code != want || cli.Hint(err, "imgrecv") != "" {
			t.Errorf("%s: status %d, hint %q", kind, code, cli.Hint(err, "imgrecv"))
		}
	}
}

// TestCheckNames refuses what cannot be a name, and says how to give another.
func TestCheckNames(t *testing.T) {
	for ref, want := range map[string]int{"webapp:1.0": cli.ExitOK, "bazel/MyImage:tag": cli.ExitUsage, "a b": cli.ExitUsage} {
		err := cli.CheckNames([]transfer.Image{{}, {Refs: []string{"good:1", ref}}})
		if code := cli.ExitCode(err); code != want || want == cli.ExitUsage && cli.Hint(err, "imgrecv") != "give the image another name with --as" {
			t.Errorf("%s: status %d, hint %q", ref, code, cli.Hint(err, "imgrecv"))
		}
	}
}
