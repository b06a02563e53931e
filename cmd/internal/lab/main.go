package lab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// ErrReported is the error of a program whose report tells what failed.
var ErrReported = errors.New("the report tells what failed")

// UsageError returns err, if it is one, as the error of a wrong command line.
func UsageError(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() + " (-h shows how)" }
func (e *usageError) Unwrap() error { return e.err }

// A Program is a command line program that uses the lab. Its stdout has the report only.
type Program struct{ Name, Usage string }

// Main calls run with the arguments of this process and ends the process. An interrupt
// cancels run's context, a second one ends the process at once.
func (p *Program) Main(run func(context.Context, []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(p.Status(ctx, run, os.Args[1:], os.Stdout, os.Stderr))
}

// Status calls run, writes the usage or the error, and returns the exit status.
func (p *Program) Status(ctx context.Context, run func(context.Context, []string) error, args []string, stdout, stderr io.Writer) int {
	err := run(ctx, args)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, p.Usage)
		return 0
	case ctx.Err() != nil:
		fmt.Fprintf(stderr, "%s: interrupted\n", p.Name)
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: error: %v\n", p.Name, err)
		return exitUsage
	case !errors.Is(err, ErrReported):
		fmt.Fprintf(stderr, "%s: error: %v\n", p.Name, err)
	}
	return exitFailed
}

// Sayf tells the user what happens, on stderr.
func (p *Program) Sayf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, p.Name+": "+format+"\n", args...)
}
