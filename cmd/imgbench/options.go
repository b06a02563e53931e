package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

const usage = `Usage: imgbench [options]      (as root)

Measures imgsend and imgrecv against "docker save | docker load" and the same
through ssh, each with and without zstd, between two throwaway engines, and
prints a Markdown table of medians.

  -from ENGINE      the sending engine: classic-20.10, containerd-28.5, or
                    native-2.1, containerd by itself, whose images the rivals
                    move with "ctr images export" and "ctr images import"
                    (default: the newest classic one)
  -to ENGINE        the receiving engine (default: as -from)
  -rate RATE        of the link between them: 100mbit, 1gbit (default: no limit)
  -rounds N         (default 3)
  -size SIZE        of the image: 60MB, 6GB (default 600MB)
  -data PLACE       of the engines: disk, or memory, which is faster and varies
                    less (default disk)
  -pulled           layers gzipped in the stores, as after a pull; differs from
                    plain layers in containerd stores only
  -scenarios LIST   of cold,layer,nothing (default: all)
  -rivals LIST      of pipe,pipe+zstd,ssh,ssh+zstd, or none (default: all)
  -registry PROGRAM one more rival: push through ssh into a registry at the
                    receiver, and pull there. PROGRAM is that of the CNCF
                    distribution registry, such as docker-registry
  -floors=false     leave out what to compare with: the line alone, with about
                    as many bytes as imgsend has sent, and the receiving
                    engine's own load of a local file
  -v                print every sample too
  -h                print this

IMGSEND_ENGINES names a folder with engines of other versions. All files are
made in TMPDIR; they take about five times the image, ten times with -registry,
or the memory is taken for it with -data memory.

Example:
  sudo go run ./cmd/imgbench -rate 1gbit -size 100MB -rivals ssh,ssh+zstd

Exit status: 0 measured, 1 failed or a contender did, 2 usage, 130 interrupted
`

// options are the command line.
type options struct {
	from, to  string // engines; "" is the default
	rate      int64  // of the link, bits a second; 0: no limit
	rounds    int
	size      int64 // of the image, bytes
	data      throwaway.Data
	pulled    bool
	scenarios []scenario
	rivals    []string
	registry  string // path of the program for one more rival, or ""
	floors    bool
	verbose   bool

	engines string // folder of engines of other versions, or ""
}

const minSize = 1_000_000 // of an image; less would measure only the start of programs

func parseOptions(args []string) (options, error) {
	o := options{engines: os.Getenv("IMGSEND_ENGINES")}
	var rate, size, data, scenarios, rivals string
	f := flag.NewFlagSet("imgbench", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.from, "from", "", "")
	f.StringVar(&o.to, "to", "", "")
	f.StringVar(&rate, "rate", "", "")
	f.IntVar(&o.rounds, "rounds", 3, "")
	f.StringVar(&size, "size", "600MB", "")
	f.StringVar(&data, "data", "disk", "")
	f.BoolVar(&o.pulled, "pulled", false, "")
	f.StringVar(&scenarios, "scenarios", strings.Join(names(allScenarios), ","), "")
	f.StringVar(&rivals, "rivals", strings.Join(allRivals, ","), "")
	f.StringVar(&o.registry, "registry", "", "")
	f.BoolVar(&o.floors, "floors", true, "")
	f.BoolVar(&o.verbose, "v", false, "")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.rounds < 1 {
		return o, fmt.Errorf("-rounds: %d is not a number of rounds", o.rounds)
	}
	var err error
	if rate != "" {
		if o.rate, err = lab.ParseRate(rate); err != nil {
			return o, fmt.Errorf("-rate: %w", err)
		}
	}
	if o.size, err = lab.ParseSize(size); err != nil {
		return o, fmt.Errorf("-size: %w", err)
	}
	if o.size < minSize {
		return o, fmt.Errorf("-size: %s is less than %s", size, cli.Bytes(minSize))
	}
	switch data {
	case "disk":
		o.data = throwaway.OnDisk
	case "memory":
		o.data = throwaway.InMemory
	default:
		return o, fmt.Errorf("-data: %q is neither disk nor memory", data)
	}
	chosen, err := lab.ParseList(scenarios, names(allScenarios))
	if err != nil {
		return o, fmt.Errorf("-scenarios: %w", err)
	}
	for _, s := range allScenarios {
		if slices.Contains(chosen, s.String()) {
			o.scenarios = append(o.scenarios, s)
		}
	}
	if rivals != "none" {
		if o.rivals, err = lab.ParseList(rivals, allRivals); err != nil {
			return o, fmt.Errorf("-rivals: %w", err)
		}
	}
	if o.registry != "" {
		if o.registry, err = findProgram(o.registry); err != nil {
			return o, fmt.Errorf("-registry: %w", err)
		}
	}
	return o, nil
}

func names(list []scenario) (out []string) {
	for _, s := range list {
		out = append(out, s.String())
	}
	return out
}
