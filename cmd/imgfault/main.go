// Imgfault tests what imgsend and imgrecv promise for failures. It runs transfers between
// two throwaway hosts, injects a fault at a random moment of each, and checks the result:
//
//	sudo go run ./cmd/imgfault [options]
//
// The two hosts are network namespaces that a veth pair joins. Each has an engine of
// every chosen kind. A round makes a new image in one engine of the sending host,
// sends it, or a container of it, to one engine of the receiving host, injects one fault
// meanwhile, and then sends it again without a fault. All choices of a round come from the seed
// and the number of the round, so that a round can be repeated alone. The moment of
// a fault is a share of the bytes on the link, or a time after nearly all of them: what
// the programs do at that moment may differ a little from run to run.
//
// After the fault imgfault checks:
//
//   - both programs have ended, each with an exit status that this fault allows (the
//     table is in fault.go), and left no process;
//   - an image that has a name is complete: the engine shows the right ID and layers,
//     and exports every layer with the right digest;
//   - the image has its name if a program ended with 0, and only then;
//   - no temporary name is left, unless a program or an engine was killed: then none
//     is left after the next transfer;
//   - no container is paused, unless imgsend or Podman was killed while Podman
//     committed it;
//   - the next try succeeds and sends no more than the layers that were missing;
//   - after it the receiving engine has the image and nothing else.
//
// It prints a Markdown table, and for each violation what it found and the command
// that repeats the round.
//
// It needs Linux, root, ip, tc and nsenter, and keeps the data of the engines in memory. It
// touches nothing of the machine's own engine and removes all that it made, also when
// interrupted.
package main

import (
	"context"
	"fmt"

	"github.com/imgsend/imgsend/cmd/internal/lab"
)

var program = lab.Program{Name: "imgfault", Usage: usage}

func main() { program.Main(command) }

// command runs the command line.
func command(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return lab.UsageError(err)
	}
	rep, err := run(ctx, o)
	if rep != nil {
		fmt.Print(rep.markdown())
	}
	if err == nil && rep.violated() {
		return lab.ErrReported
	}
	return err
}
