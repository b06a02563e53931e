package main

import (
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/cli/clitest"
)

func TestRepeatedFlags(t *testing.T) {
	clitest.RepeatedFlags(t, func() []*cli.Group { return flags(cli.NewVoice("test"), &options{}) },
		[]string{"author", "completion", "compress", "engine-timeout", "flatten", "forget", "grant", "have", "host", "input", "lag", "limit", "listen", "message", "name", "namespace", "output", "platform", "retry-for", "revoke", "stall-timeout", "store"},
		[]string{"allow", "as", "change", "container", "serve", "to"})
}

func TestHelp(t *testing.T) {
	clitest.Help(t, program(), "from", "list", "max-size", "wait-again", "clean")
}
