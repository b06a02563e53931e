package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// The help is helpWidth columns wide, and the texts of its flags start after helpIndent.
const (
	helpWidth  = 80
	helpIndent = 24
)

// Help returns the help of the program: how it is called, what it does, its flags by
// group, examples, and exit statuses.
func (p *Program) Help() string {
	var b strings.Builder
	for i, u := range p.words.Usage {
		lead := "Usage:"
		if i > 0 {
			lead = "      "
		}
		fmt.Fprintf(&b, "%s %s %s\n", lead, p.voice.Program, u)
	}
	fmt.Fprintf(&b, "\n%s\n", paragraphs(p.words.About))
	for _, g := range p.groups {
		fmt.Fprintf(&b, "\n%s:\n", g.Title)
		g.VisitAll(func(f *pflag.Flag) { b.WriteString(flagHelp(f)) })
	}
	b.WriteString("\nExamples:\n")
	for _, e := range p.words.Examples {
		line := "  " + p.voice.Program + " " + e[0]
		if explained := fmt.Sprintf("%-47s  %s", line, e[1]); len(explained) <= helpWidth {
			line = explained
		}
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "\n%s\n\n%s", paragraphs(p.words.Results), ExitTable)
	return b.String()
}

// flagHelp returns the lines of a flag.
func flagHelp(f *pflag.Flag) string {
	value, text := pflag.UnquoteUsage(f)
	name := "      --" + f.Name
	if f.Shorthand != "" {
		name = fmt.Sprintf("  -%s, --%s", f.Shorthand, f.Name)
	}
	name += flagValue(f, value)
	indent := strings.Repeat(" ", helpIndent)
	lines := wrap(text, helpWidth-helpIndent)
	if len(name) > helpIndent-2 {
		return name + "\n" + indent + strings.Join(lines, "\n"+indent) + "\n"
	}
	return fmt.Sprintf("%-*s%s\n", helpIndent, name, strings.Join(lines, "\n"+indent))
}

// flagValue returns how the value of a flag is written behind its name.
func flagValue(f *pflag.Flag, value string) string {
	switch {
	case value == "":
		return ""
	case f.NoOptDefVal != "":
		return "[=" + value + "]"
	}
	return " " + value
}

// paragraphs wraps each paragraph of a text.
func paragraphs(text string) string {
	var out []string
	for _, p := range strings.Split(text, "\n\n") {
		out = append(out, strings.Join(wrap(p, helpWidth), "\n"))
	}
	return strings.Join(out, "\n\n")
}

// wrap breaks a text into lines of at most width columns, unless a word is longer.
func wrap(text string, width int) []string {
	var lines []string
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && len(lines[last])+1+len(word) <= width {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
