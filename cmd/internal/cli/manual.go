package cli

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/imgsend/imgsend/transfer"
	"github.com/spf13/pflag"
)

// Manual returns the manual page of the program, in section 1, as man reads it.
func (p *Program) Manual() []byte {
	page := md2man.Render([]byte(p.manual()))
	// Names and addresses are easier to copy when they are not divided.
	return bytes.Replace(page, []byte("\n.SH NAME"), []byte("\n.nh\n.ad l\n.SH NAME"), 1)
}

// manual is the manual page as Markdown.
func (p *Program) manual() string {
	var b strings.Builder
	name := p.voice.Program
	fmt.Fprintf(&b, "%% %q \"1\" \"\" %q \"User Commands\"\n", strings.ToUpper(name), "imgsend "+Version())
	fmt.Fprintf(&b, "# NAME\n%s - %s\n\n# SYNOPSIS\n", name, p.words.Short)
	for _, u := range p.words.Usage {
		fmt.Fprintf(&b, "**%s** %s\n\n", name, plain(u))
	}
	fmt.Fprintf(&b, "# DESCRIPTION\n%s\n\n%s\n\n# OPTIONS\n", plain(p.words.About), plain(p.words.Results))
	for _, g := range p.groups {
		fmt.Fprintf(&b, "### %s\n", g.Title)
		g.VisitAll(func(f *pflag.Flag) {
			value, text := pflag.UnquoteUsage(f)
			short := ""
			if f.Shorthand != "" {
				short = "**-" + f.Shorthand + "**, "
			}
			entry(&b, short+"**--"+f.Name+"**"+plain(flagValue(f, value)), text)
		})
	}
	b.WriteString("# EXIT STATUS\n")
	for _, e := range exits {
		entry(&b, fmt.Sprintf("**%d**", e.code), e.means)
	}
	b.WriteString("# JSON EVENTS\nWith **--json** each line on stdout is an object. Its member event says which, and what else it has. " +
		"Sizes are bytes. Members that are marked with ? may be absent.\n\n" +
		"The first object, start, has the version of the events. Later releases add events, members and words within a version, so a reader skips those that it does not know. " +
		"The version changes when a member is removed or means something else. " +
		"The sources have a JSON Schema of all events: cmd/internal/cli/events.schema.json.\n\n")
	for _, e := range events {
		entry(&b, "**"+e.name+"**", e.means+": "+strings.Join(members(e.object), ", "))
	}
	b.WriteString("Of these an image has: " + plain(strings.Join(members(ImagePlan{}), ", ")) +
		". A layer has: " + plain(strings.Join(members(LayerPlan{}), ", ")) + ". " + "A loaded has: " + plain(strings.Join(members(transfer.Loaded{}), ", ")) +
		", and says how far the receiving engine is. A kept has: " + plain(strings.Join(members(transfer.Kept{}), ", ")) + ", and says what that engine keeps for the next try.\n\n")
	b.WriteString("The kinds of an error are: " + plain(strings.Join(errorKinds(), ", ")) + ". The codes of a warning are:\n\n")
	for _, w := range warnings {
		entry(&b, "**"+w.code+"**", w.means)
	}
	b.WriteString(limits + "\n# ENVIRONMENT\n")
	for _, e := range environment {
		if e.program == "" || e.program == name {
			entry(&b, "**"+plain(e.name)+"**", e.means)
		}
	}
	b.WriteString("# FILES\n")
	for _, f := range files {
		entry(&b, "*"+plain(f[0])+"*", f[1])
	}
	b.WriteString("# EXAMPLES\n")
	for _, e := range p.words.Examples {
		entry(&b, "**"+plain(strings.TrimSpace(name+" "+e[0]))+"**", e[1])
	}
	other := "imgrecv"
	if name == other {
		other = "imgsend"
	}
	fmt.Fprintf(&b, "# SEE ALSO\n**%s**(1)\n", other)
	return b.String()
}

// limits is the section LIMITS, as Markdown.
//
//go:embed limits.md
var limits string

// entry writes a term, which is Markdown, and what it means, which is plain text.
func entry(b *strings.Builder, term, text string) {
	fmt.Fprintf(b, "%s\n:   %s\n\n", term, plain(text))
}

// plain returns a text as Markdown that means just that.
func plain(text string) string {
	return markdown.Replace(text)
}

var markdown = func() *strings.Replacer {
	var pairs []string
	for _, c := range "\\`*_{}[]<>#&|~" {
		pairs = append(pairs, string(c), `\`+string(c))
	}
	return strings.NewReplacer(pairs...)
}()

// environment are the variables that the programs read. program is the one that does, or ""
// for both.
var environment = []struct{ name, program, means string }{
	{"IMGSEND_HOME", "", "the folder with this host's key and its peers, instead of the one below"},
	{"IMGSEND_CODE", "imgsend", "the code or the name of the other host, where --to is not given; other users cannot read it"},
	{"DOCKER_HOST", "", "the engine, as --host has it"},
	{"DOCKER_TLS_VERIFY, DOCKER_CERT_PATH", "", "speak TLS with the engine of DOCKER_HOST, with the certificates in that folder"},
	{"DOCKER_CONTEXT, DOCKER_CONFIG", "", "the docker context, and the folder that has it"},
	{"CONTAINERD_ADDRESS", "", "the socket of a containerd, where nothing above names an engine"},
	{"CONTAINERD_NAMESPACE", "", "as --namespace has it"},
	{"CONTAINERD_SNAPSHOTTER", "imgrecv", "the snapshotter of a containerd that layers go into"},
	{"TMPDIR", "", "where temporary files without a name are made"},
	{"GOMEMLIMIT", "", "how much memory to aim at, such as 128MiB (default 64MiB)"},
}

// files are what the programs keep between runs.
var files = [][2]string{
	{"$XDG_CONFIG_HOME/imgsend/identity.key", "the key of this user on this host (~/.config where XDG_CONFIG_HOME is not set; " +
		"~/Library/Application Support on macOS, %AppData% on Windows)"},
	{"$XDG_CONFIG_HOME/imgsend/peers", "the saved peers, one a line: name, ID, when it was met last, addresses"},
}
