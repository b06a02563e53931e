package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/docker/cli/cli-plugins/socket"
	"github.com/imgsend/imgsend/transfer"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A Program is imgsend or imgrecv as its command line describes it: its flags, its
// help, and what it does.
type Program struct {
	voice   *Voice
	words   Words
	groups  []*Group
	command *cobra.Command
}

// Words are what the help says about a program besides its flags.
type Words struct {
	Short    string      // what it does, as half a sentence
	Usage    []string    // the ways to call it, without its name
	About    string      // paragraphs with an empty line between them
	Examples [][2]string // a command line without the program's name, and what it does
	Results  string      // one paragraph: what is on stdout, and limits
}

// A Group is flags that the help shows together, in the order of their definition.
// The usage of a flag is its help, with the name of its value in backquotes.
type Group struct {
	Title string
	*pflag.FlagSet
}

// NewGroup returns a group without flags.
func NewGroup(title string) *Group {
	f := pflag.NewFlagSet(title, pflag.ContinueOnError)
	f.SortFlags = false
	return &Group{title, f}
}

// NewProgram returns a program that prints with v. body runs it with the arguments that
// are not flags. The last group also gets the flags that every program has.
func NewProgram(v *Voice, w Words, groups []*Group, body func(ctx context.Context, args []string) error) *Program {
	p := &Program{voice: v, words: w, groups: groups}
	last := groups[len(groups)-1]
	version := last.Bool("version", false, "print the version, the protocol and its features")
	completion := last.String("completion", "", "print the completion script for `SHELL`: "+strings.Join(shells, ", "))
	manual := last.Bool("man", false, "print the manual page, for man -l")
	last.BoolP("help", "h", false, "print this")
	p.command = &cobra.Command{
		Use:               v.Program,
		Args:              cobra.ArbitraryArgs, // a word is never a command
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case *version:
				_, err := fmt.Fprint(v.out, versionText(v.Program))
				return err
			case *manual:
				_, err := v.out.Write(p.Manual())
				return err
			case *completion != "":
				return p.completionScript(v.out, *completion)
			}
			if err := checkAlone(cmd.Flags(), args); err != nil {
				return err
			}
			return runUntilInterrupted(cmd.Context(), args, body)
		},
	}
	p.command.SetHelpFunc(func(*cobra.Command, []string) { fmt.Fprint(v.out, p.Help()) })
	p.command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return p.mistake(err) })
	for _, g := range groups {
		p.command.Flags().AddFlagSet(g.FlagSet)
	}
	return p
}

// Flags returns all flags of the program.
func (p *Program) Flags() *pflag.FlagSet { return p.command.Flags() }

// Main runs the program with the arguments of this process and ends the process with its
// status.
func (p *Program) Main() {
	LimitMemory(1)
	if err := p.main(os.Args[0], os.Args[1:]); err != nil {
		// A mistake in the flags may come before --json is read.
		p.voice.JSON = p.voice.JSON || slices.Contains(os.Args[1:], "--json")
		os.Exit(p.voice.Fail(err))
	}
}

// main runs the program with the file name and the arguments of the process, which a user
// or the Docker CLI has started.
func (p *Program) main(file string, args []string) error {
	ctx := context.Background()
	if !isPlugin(file, p.voice.Program) {
		return p.Execute(ctx, args)
	}
	if len(args) > 0 && args[0] == metadata.MetadataSubcommandName {
		return p.describePlugin(p.voice.out)
	}
	args, err := pluginArgs(p.voice.Program, args)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	socket.ConnectAndWait(stop) // docker ends before this does
	return p.Execute(ctx, args)
}

// Execute parses the command line and runs the program until it ends or is
// interrupted. It may be called once. Mistakes in the flags are of [UsageError].
func (p *Program) Execute(ctx context.Context, args []string) error {
	// A shell that completes a line wants no mistakes reported, and the library then reads
	// flags twice.
	if completes(args) {
		p.Flags().VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) }) // is shown as it is
	} else {
		if err := p.singleDash(args); err != nil {
			return err
		}
		onlyOnce(p.Flags())
	}
	p.command.SetArgs(args)
	return p.command.ExecuteContext(ctx)
}

// errTerminated is the cause of a context that SIGTERM has ended.
var errTerminated = errors.New("terminated")

// Terminated reports whether SIGTERM has ended ctx, as a service manager does, and not
// somebody at a keyboard.
func Terminated(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errTerminated) }

// runUntilInterrupted runs body. An interrupt ends its context, and a second one the process.
func runUntilInterrupted(ctx context.Context, args []string, body func(ctx context.Context, args []string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	defer close(ended)
	go func() {
		// As a plugin of the Docker CLI it may lose ctx, too, before the first interrupt.
		select {
		case s := <-signals:
			signal.Stop(signals)
			if s == syscall.SIGTERM {
				cancel(errTerminated)
			}
			cancel(context.Canceled)
		case <-ended:
		}
	}()
	err := body(ctx, args)
	var standing *StandingError
	if err != nil && ctx.Err() != nil && !errors.As(err, &standing) {
		return interrupted(err)
	}
	return err
}

// A StandingError remains the result of a run that is interrupted afterwards. Its text is
// that of Err.
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

// memoryLimit is the size of the heap that the garbage collector aims at, in
// bytes, unless GOMEMLIMIT sets another one. A transfer needs less; the limit
// bounds the garbage.
const memoryLimit = 64 << 20

// receiverMemory is what the limit grows by with each receiver after the first.
const receiverMemory = 16 << 20

// LimitMemory sets the limit for transfers to so many receivers at the same time.
func LimitMemory(receivers int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit + receiverMemory*int64(receivers-1))
	}
}
