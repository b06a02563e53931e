package main

import (
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/cli/clitest"
)

func TestRepeatedFlags(t *testing.T) {
	clitest.RepeatedFlags(t, func() []*cli.Group { return flags(cli.NewVoice("test"), &options{}) },
		[]string{"completion", "engine-timeout", "forget", "from", "grant", "host", "input", "listen", "max-size", "name", "namespace", "output", "platform", "retry-for", "revoke", "stall-timeout", "store"},
		[]string{"allow", "allow-name", "as"})
}

func TestHelp(t *testing.T) {
	clitest.Help(t, program(), "to", "wait", "serve", "flatten", "lag", "keep-image")
}
