package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Completions are the candidates that a shell offers when the user presses Tab.
type Completions struct {
	Args    Candidates            // for arguments that are no flags; nil: nothing
	Values  map[string]Candidates // for the values of flags
	Files   []string              // flags whose values are files
	Folders []string              // flags whose values are folders
}

// Candidates returns all candidates; the caller drops those that do not begin with what
// was typed. It prints nothing and asks nothing. The flags that were typed before are set.
type Candidates func(ctx context.Context) []string

// OneOf offers fixed words.
func OneOf(words ...string) Candidates {
	return func(context.Context) []string { return words }
}

// Platforms are the common ones.
var Platforms = []string{"linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/ppc64le", "linux/riscv64", "linux/s390x", "windows/amd64"}

// completionTime bounds how long the user of a shell waits for candidates.
const completionTime = 1500 * time.Millisecond

// Complete sets what shells offer. Flags that c does not name have nothing to offer.
func (p *Program) Complete(c Completions) {
	p.command.ValidArgsFunction = offer(c.Args)
	p.Flags().VisitAll(func(f *pflag.Flag) {
		switch {
		case slices.Contains(c.Files, f.Name):
			// The shell completes files where nothing else is said.
		case slices.Contains(c.Folders, f.Name):
			_ = p.command.MarkFlagDirname(f.Name) // the flag exists
		default:
			candidates := c.Values[f.Name]
			if f.Name == "completion" {
				candidates = OneOf(shells...)
			}
			_ = p.command.RegisterFlagCompletionFunc(f.Name, offer(candidates)) // the flag exists
		}
	})
}

// offer returns the candidates in the form of the library, those that begin with what
// is typed.
func offer(all Candidates) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if all == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		found := make(chan []string, 1) // an answer that comes too late stays in it
		go func() { found <- all(ctx) }()
		select {
		case words := <-found:
			words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !strings.HasPrefix(w, typed) })
			return words, cobra.ShellCompDirectiveNoFileComp
		case <-ctx.Done():
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// completes reports whether a shell asks for candidates.
func completes(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// shells are those that completion scripts are made for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

// completionScript writes the script that a shell reads.
func (p *Program) completionScript(w io.Writer, shell string) error {
	switch shell {
	case "bash":
		return bashCompletion(w, p.command)
	case "zsh":
		return p.command.GenZshCompletionNoDesc(w)
	case "fish":
		return p.command.GenFishCompletion(w, false)
	case "powershell":
		return p.command.GenPowerShellCompletion(w)
	}
	return &UsageError{fmt.Errorf("--completion %s: there is one for %s", shell, strings.Join(shells, ", "))}
}

// SavedPeers returns the names of the saved peers.
func SavedPeers(context.Context) []string {
	home, err := peer.Home()
	if err != nil {
		return nil
	}
	saved, err := peer.OpenBook(home).List()
	if err != nil {
		return nil
	}
	var names []string
	for _, p := range saved {
		names = append(names, p.Name)
	}
	return names
}

// KnownPeers returns the names of the saved peers and of those that wait nearby.
func KnownPeers(ctx context.Context) []string {
	names := SavedPeers(ctx)
	found, err := nearby(ctx, completionTime/3)
	if err != nil {
		return names
	}
	for _, f := range found {
		names = append(names, f.Name)
	}
	return unique(names)
}
