// Imgbench measures imgsend and imgrecv against the other ways to move an
// image, on real engines, in turn and in one run:
//
//	sudo go run ./cmd/imgbench [options]
//
// It starts two throwaway engines, each in a network namespace of its own, the
// two namespaces joined by a veth pair; makes an image and its next version
// from data that it generates; builds imgsend and imgrecv; and has every
// contender move the image in three scenarios: cold, one new layer, nothing
// new. It prints a Markdown table of medians: seconds, bytes on the wire, peak
// memory, and the time as a multiple of the best rival's. For example, all of
// it on a gigabit link between two containerd stores:
//
//	sudo IMGSEND_ENGINES=/srv/engines go run ./cmd/imgbench \
//	    -from containerd-28.5 -rate 1gbit -rounds 5 -v
//
// The rivals are "docker save | docker load" on one machine, and the same
// through ssh to an sshd that imgbench starts itself; each also with zstd. Save
// and load are the docker CLI's where it is installed, else imgbench's own
// ("imgbench api save|load SOCKET [IMAGE]" moves an archive between the engine
// and stdout or stdin).
//
// Of containerd by itself the rivals are "ctr images export" and "ctr images
// import" in their place.
//
// With -registry and the program of a registry there is one rival more: ssh has a
// registry at the receiver appear at the sender, the image is pushed to it there,
// and pulled and given its name at the receiver ("imgbench api tag|push|pull"
// without the docker CLI). What there was of the image in a scenario is in the
// registry too, and came by a push and a pull. The time of the push alone is
// reported with it. This rival has two engines of its own: the layers that it
// leaves in them would help the others.
//
// How it measures:
//
//   - Time runs from the start of the sending command to its end. imgrecv
//     listens before that, as sshd does. After each run the image must be at
//     the receiver under its name, with all its layers, or the run has failed,
//     and the table says so instead of a time.
//   - Bytes on the wire are those that the sender's end of the veth pair counted,
//     both directions, headers included. "save | load" does not cross the link,
//     whatever its rate; its bytes are those in the pipe between the two.
//   - Memory is the largest resident set of the two programs over all rounds.
//   - Contenders take turns, round by round. Before each run, and outside of its
//     time, the receiver is brought to the scenario's state (cold: a fresh
//     engine) and all disk writes are flushed.
//
// It needs Linux, root, ip and tc, and disk space of about five times the
// image, ten times with -registry, in the folder for temporary files (TMPDIR);
// with -data memory it needs so much memory instead. It touches nothing of the
// machine's own engine and removes all that it made, also when interrupted.
package main

import (
	"context"
	"fmt"

	"github.com/imgsend/imgsend/cmd/internal/lab"
)

var program = lab.Program{Name: "imgbench", Usage: usage}

func main() { program.Main(command) }

// command runs the command line.
func command(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "api" {
		return runAPI(ctx, args[1:])
	}
	o, err := parseOptions(args)
	if err != nil {
		return lab.UsageError(err)
	}
	rep, err := run(ctx, o)
	if rep != nil {
		fmt.Print(rep.markdown())
	}
	if err == nil && rep.failed() {
		return lab.ErrReported
	}
	return err
}
