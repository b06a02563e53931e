package clitest

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/spf13/pflag"
)

var flagWord = regexp.MustCompile(`--([a-z][a-z-]*)`)

// Help checks what a program says about itself: each of its flags is in the help and in the
// manual page, every
// flag that is named there exists, and the lines fit a terminal. others are flags of the other
// program that the text names.
func Help(t *testing.T, p *cli.Program, others ...string) {
	t.Helper()
	help := p.Help()
	flagsIn(t, p, "help", help, others)
	page := string(p.Manual())
	flagsIn(t, p, "manual", strings.ReplaceAll(page, `\-`, "-"), others)
	for _, section := range []string{"NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "JSON EVENTS", "LIMITS", "ENVIRONMENT", "FILES", "EXAMPLES"} {
		if !strings.Contains(page, "\n.SH "+section+"\n") {
			t.Errorf("manual has no %s", section)
		}
	}
	for _, line := range strings.Split(help, "\n") {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("help is wider than 80 columns: %s", line)
		}
	}
	for _, title := range []string{"What:", "Where:", "Archives:", "Line:", "Peers:", "Output:", "Examples:", "Exit status:"} {
		if !strings.Contains(help, "\n"+title+"\n") {
			t.Errorf("help has no %s", title)
		}
	}
}

// flagsIn checks that a text names the flags of p and no others.
func flagsIn(t *testing.T, p *cli.Program, name, text string, others []string) {
	t.Helper()
	var named []string
	for _, m := range flagWord.FindAllStringSubmatch(text, -1) {
		named = append(named, m[1])
	}
	p.Flags().VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(named, f.Name) {
			t.Errorf("%s has no --%s", name, f.Name)
		}
		if value, usage := pflag.UnquoteUsage(f); usage == "" || f.Value.Type() != "bool" && value == f.Value.Type() {
			t.Errorf("--%s does not say what it does or what its value is: %q", f.Name, f.Usage)
		}
	})
	for _, n := range named {
		if p.Flags().Lookup(n) == nil && !slices.Contains(others, n) {
			t.Errorf("%s names --%s, which does not exist", name, n)
		}
	}
}
