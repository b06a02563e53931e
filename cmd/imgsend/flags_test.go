package main

import (
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/cli/clitest"
	"github.com/spf13/pflag"
)

func TestRepeatedFlags(t *testing.T) {
	clitest.RepeatedFlags(t, func() *pflag.FlagSet { return flags(cli.NewVoice("test"), &options{}) },
		[]string{"author", "compress", "container", "flatten", "forget", "have", "host", "limit", "message", "namespace", "output", "platform", "retry-for", "store", "to"},
		[]string{"as", "change"})
}
