package main

import "github.com/imgsend/imgsend/cmd/internal/cli"

// completions say what a shell offers.
var completions = cli.Completions{
	Values: map[string]cli.Candidates{
		"forget":   cli.SavedPeers,
		"platform": cli.OneOf(cli.Platforms...),
	},
	Files:   []string{"input", "output"},
	Folders: []string{"store"},
}
