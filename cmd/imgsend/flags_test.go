package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/spf13/pflag"
)

// TestRepeatedFlags gives each flag twice. Those with one value are refused, and
// the values are not shown; the others take both.
func TestRepeatedFlags(t *testing.T) {
	var once, many []string
	flags(cli.NewVoice("test"), &options{}).VisitAll(func(f *pflag.Flag) {
		args := []string{"--" + f.Name + "=first", "--" + f.Name + "=second"}
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
			many = append(many, f.Name)
		case !errors.As(err, &usage), !strings.Contains(err.Error(), "--"+f.Name+" is given more than once"),
			strings.Contains(err.Error(), "first"), strings.Contains(err.Error(), "second"):
			t.Errorf("--%s: %v", f.Name, err)
		case f.Value.Type() != "bool":
			once = append(once, f.Name)
		}
		if err := parse(args[:1]...); err != nil {
			t.Errorf("--%s once: %v", f.Name, err)
		}
	})
	if want := []string{"author", "compress", "container", "flatten", "forget", "have", "host", "limit", "message", "namespace", "output", "platform", "store", "to"}; !slices.Equal(once, want) {
		t.Errorf("given once: %q, want %q", once, want)
	}
	if want := []string{"as", "change"}; !slices.Equal(many, want) {
		t.Errorf("given more than once: %q, want %q", many, want)
	}
}

func parse(args ...string) error {
	return cli.ParseFlags(flags(cli.NewVoice("test"), &options{}), args)
}
