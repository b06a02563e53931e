package cli_test

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
)

// GOMEMLIMIT, which the runtime has read, is the user's word.
func TestMemoryLimit(t *testing.T) {
	const query, users = -1, 1 << 30
	before := debug.SetMemoryLimit(users)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "1GiB")
	cli.LimitMemory(1)
	if got := debug.SetMemoryLimit(query); got != users {
		t.Errorf("the limit is %d, not the user's", got)
	}
	t.Setenv("GOMEMLIMIT", "")
	cli.LimitMemory(1)
	one := debug.SetMemoryLimit(query)
	if one == users {
		t.Error("there is no limit of ours")
	}
	cli.LimitMemory(3)
	if got := debug.SetMemoryLimit(query); got != one+2*16<<20 {
		t.Errorf("the limit for three receivers is %d, and %d for one", got, one)
	}
}

// testProgram returns a program that records what it was called with.
func testProgram(called *[]string) (*cli.Program, *string) {
	v := cli.NewVoice("test")
	v.NoResults()
	g := cli.NewGroup("What")
	to := g.StringP("to", "t", "", "to `PEER`")
	g.StringP("message", "m", "", "`TEXT`")
	g.BoolP("json", "j", false, "speak JSON")
	g.String("flatten", "", "flatten `HOW`")
	g.Lookup("flatten").NoOptDefVal = "full"
	return cli.NewProgram(v, cli.Words{}, []*cli.Group{g}, func(_ context.Context, args []string) error {
		*called = append([]string{"called"}, args...)
		return nil
	}), to
}

// TestAlone gives --peers and --forget what they would ignore.
func TestAlone(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string // of the error; "": none
	}{
		{[]string{"--peers"}, ""},
		{[]string{"--peers=false", "b", "--to", "x"}, ""},
		{[]string{"--peers", "--json", "--quiet=false", "--keep=false"}, ""},
		{[]string{"--peers", "b"}, `--peers is not for a transfer, and takes no arguments besides: ["b"]`},
		{[]string{"--peers", "--to", "x"}, "--peers is not for a transfer: --to does not go with it"},
		{[]string{"--forget", "x"}, ""},
		{[]string{"--forget", ""}, "--forget takes the name of a saved peer"},
		{[]string{"--forget", "x", "y"}, `--forget is not for a transfer, and takes no arguments besides: ["y"]`},
		{[]string{"--forget", "x", "--keep"}, "--forget is not for a transfer: --keep does not go with it"},
		{[]string{"--peers", "--forget", "x"}, "--forget is not for a transfer: --peers does not go with it"},
	} {
		g := cli.NewGroup("What")
		for _, name := range []string{"peers", "keep", "json", "quiet"} {
			g.Bool(name, false, "")
		}
		g.String("forget", "", "")
		g.String("to", "", "")
		v := cli.NewVoice("test")
		err := cli.NewProgram(v, cli.Words{}, []*cli.Group{g}, func(context.Context, []string) error { return nil }).Execute(t.Context(), test.args)
		var usage *cli.UsageError
		if test.want == "" && err != nil || test.want != "" && (!errors.As(err, &usage) || err.Error() != test.want) {
			t.Errorf("%q: %v, want %q", test.args, err, test.want)
		}
	}
}

// Every word is an argument, whatever commands the library knows.
func TestWordsAreArguments(t *testing.T) {
	for _, word := range []string{"help", "completion", "version"} {
		var called []string
		p, to := testProgram(&called)
		if err := p.Execute(t.Context(), []string{word, "b", "--to", "x", "-m", "-to"}); err != nil {
			t.Errorf("%s: %v", word, err)
		}
		if want := []string{"called", word, "b"}; !slices.Equal(called, want) || *to != "x" {
			t.Errorf("%s: %q, --to %q", word, called, *to)
		}
	}
}

func TestFlagMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"--two x":           "unknown flag: --two; did you mean --to? (test -h shows them all)",
		"--mess x":          "unknown flag: --mess; did you mean --message? (test -h shows them all)",
		"--colour":          "unknown flag: --colour (test -h shows them all)",
		"-fatten":           "unknown shorthand flag: 'f' in -fatten; did you mean --flatten? (test -h shows them all)",
		"a -message x":      "-message has one dash too few; write --message (test -h shows all flags)",
		"-to=x":             "-to has one dash too few; write --to (test -h shows all flags)",
		"-jt x -to y":       "-to has one dash too few; write --to (test -h shows all flags)",
		"--flatten -to y":   "-to has one dash too few; write --to (test -h shows all flags)",
		"--to":              "flag needs an argument: --to (test -h shows them all)",
		"-m -to":            "",
		"-jm -to":           "",
		"--to -to":          "",
		"-mx -t -to":        "",
		"-- -to":            "",
		"-":                 "",
		"--to=a -tb":        "--to is given more than once (test -h shows them all)",
		"--flatten=bare -h": "",
	} {
		var called []string
		p, _ := testProgram(&called)
		err := p.Execute(t.Context(), strings.Fields(line))
		var usage *cli.UsageError
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", line, err)
		case want != "" && (err == nil || err.Error() != want || !errors.As(err, &usage) || called != nil):
			t.Errorf("%s: %v, called %q", line, err, called)
		}
	}
}
