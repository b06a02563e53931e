// Package clitest has tests that both programs have to pass.
package clitest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/spf13/pflag"
)

// RepeatedFlags gives each of a program's flags twice. Those with one value are
// refused, and the values are not shown; the others take both. once are the former
// that are not bool, many the latter.
func RepeatedFlags(t *testing.T, groups func() []*cli.Group, once, many []string) {
	t.Helper()
	parse := func(args ...string) error { return program(groups()).Execute(t.Context(), args) }
	var gotOnce, gotMany []string
	program(groups()).Flags().VisitAll(func(f *pflag.Flag) {
		first := "first"
		if f.Name == "completion" {
			first = "bash" // is looked at here already
		}
		args := []string{"--" + f.Name + "=" + first, "--" + f.Name + "=second"}
		if f.Value.Type() == "bool" {
			args = []string{"--" + f.Name, "--" + f.Name + "=false"}
			if err := parse("--"+f.Name, "--"+f.Name); err != nil {
				t.Errorf("--%s twice: %v", f.Name, err)
			}
		} else if err := parse("--"+f.Name+"=same", "--"+f.Name+"=same"); (err == nil) == (f.Value.Type() == "string") {
			t.Errorf("--%s twice the same: %v", f.Name, err)
		}
		err := parse(args...)
		var usage *cli.UsageError
		switch {
		case err == nil:
			gotMany = append(gotMany, f.Name)
		case !errors.As(err, &usage), !strings.Contains(err.Error(), "--"+f.Name+" is given more than once"),
			strings.Contains(err.Error(), first), strings.Contains(err.Error(), "second"):
			t.Errorf("--%s: %v", f.Name, err)
		case f.Value.Type() != "bool":
			gotOnce = append(gotOnce, f.Name)
		}
		if err := parse(args[:1]...); err != nil {
			t.Errorf("--%s once: %v", f.Name, err)
		}
	})
	if !slices.Equal(gotOnce, once) {
		t.Errorf("given once: %q, want %q", gotOnce, once)
	}
	if !slices.Equal(gotMany, many) {
		t.Errorf("given more than once: %q, want %q", gotMany, many)
	}
}

// program is one with these flags that does nothing.
func program(groups []*cli.Group) *cli.Program {
	v := cli.NewVoice("test")
	v.NoResults()
	return cli.NewProgram(v, cli.Words{}, groups, func(context.Context, []string) error { return nil })
}
