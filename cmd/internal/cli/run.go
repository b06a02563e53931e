package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/imgsend/imgsend/transfer"
	"github.com/spf13/pflag"
)

// memoryLimit is the size of the heap that the garbage collector aims at, in
// bytes, unless GOMEMLIMIT sets another one. A transfer needs less; the limit
// bounds the garbage.
const memoryLimit = 64 << 20

func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// Run is the main function of both programs: it parses the command line, runs
// the program until it ends or is interrupted, and exits with its status.
// A second interrupt ends it at once.
func Run(v *Voice, flags *pflag.FlagSet, usage string, body func(ctx context.Context) error) {
	limitMemory()
	help := flags.BoolP("help", "h", false, "")
	version := flags.Bool("version", false, "")
	flags.Usage = func() {}
	if err := ParseFlags(flags, os.Args[1:]); err != nil {
		os.Exit(v.Fail(&UsageError{fmt.Errorf("%w (%s -h shows them all)", err, v.Program)}))
	}
	switch {
	case *help:
		fmt.Print(usage)
		os.Exit(ExitOK)
	case *version:
		fmt.Println(v.Program, Version())
		os.Exit(ExitOK)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := body(ctx)
	if err != nil {
		var standing *StandingError
		if ctx.Err() != nil && !errors.As(err, &standing) {
			err = interrupted(err)
		}
		os.Exit(v.Fail(err))
	}
}

// A StandingError is the result of a run also if it is interrupted afterwards. It reads
// like Err.
type StandingError struct{ Err error }

func (e *StandingError) Error() string { return e.Err.Error() }
func (e *StandingError) Unwrap() error { return e.Err }

// interrupted is the error of a run that was interrupted and ended with err.
func interrupted(err error) error {
	out := fmt.Errorf("interrupted: %w", context.Canceled)
	if k := (*transfer.KeptError)(nil); errors.As(err, &k) {
		return &transfer.KeptError{Err: out, Kept: k.Kept}
	}
	return out
}

// Version is the version of the running program, from its build.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
