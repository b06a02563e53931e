//go:build unix

package cli_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
)

// A program that docker has told to end, and that a user interrupts then, still cleans up.
func TestInterruptOfPlugin(t *testing.T) {
	if os.Getenv("CLI_TEST_INTERRUPT") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInterruptOfPlugin$")
		cmd.Env = append(os.Environ(), "CLI_TEST_INTERRUPT=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	ctx, docker := context.WithCancel(t.Context())
	v := cli.NewVoice("test")
	p := cli.NewProgram(v, cli.Words{}, []*cli.Group{cli.NewGroup("What")}, func(ctx context.Context, _ []string) error {
		docker()
		<-ctx.Done()
		// A process that handles no signals any more is gone when kill returns (POSIX).
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err := p.Execute(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
