// Imgsend sends container images to another host, where imgrecv waits.
package main

import (
	"context"

	"github.com/imgsend/imgsend/cmd/internal/cli"
)

func main() { program().Main() }

// program returns imgsend with its command line not yet read.
func program() *cli.Program {
	v := cli.NewVoice("imgsend")
	var o options
	p := cli.NewProgram(v, words, flags(v, &o), func(ctx context.Context, images []string) error {
		return run(ctx, v, o, images)
	})
	p.Complete(o.completions())
	return p
}
