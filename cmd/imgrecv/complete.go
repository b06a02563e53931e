package main

import "github.com/imgsend/imgsend/cmd/internal/cli"

// completions say what a shell offers.
var completions = cli.Completions{
	Values: map[string]cli.Candidates{
		"from":     cli.KnownPeers,
		"forget":   cli.SavedPeers,
		"grant":    cli.SavedPeers,
		"revoke":   cli.SavedPeers,
		"platform": cli.OneOf(cli.Platforms...),
	},
	Files:   []string{"input", "output"},
	Folders: []string{"store"},
}
