package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
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
		if o.rate, err = parseRate(rate); err != nil {
			return o, fmt.Errorf("-rate: %w", err)
		}
	}
	if o.size, err = parseSize(size); err != nil {
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
	chosen, err := parseList(scenarios, names(allScenarios))
	if err != nil {
		return o, fmt.Errorf("-scenarios: %w", err)
	}
	for _, s := range allScenarios {
		if slices.Contains(chosen, s.String()) {
			o.scenarios = append(o.scenarios, s)
		}
	}
	if rivals != "none" {
		if o.rivals, err = parseList(rivals, allRivals); err != nil {
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

// parseList parses words separated by commas, all of them known and none twice.
func parseList(text string, known []string) ([]string, error) {
	words := strings.Split(text, ",")
	for i, w := range words {
		if !slices.Contains(known, w) {
			return nil, fmt.Errorf("%q is none of %s", w, strings.Join(known, ", "))
		}
		if slices.Contains(words[:i], w) {
			return nil, fmt.Errorf("%s is named twice", w)
		}
	}
	return words, nil
}

// parseSize parses a number of bytes with a decimal unit: "600MB", "2.5GB".
func parseSize(text string) (int64, error) {
	return parseUnits(text, "a size such as 600MB", map[string]float64{"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9})
}

// parseRate parses a rate as tc writes them, in bits a second: "1gbit".
func parseRate(text string) (int64, error) {
	return parseUnits(text, "a rate such as 100mbit", map[string]float64{"KBIT": 1e3, "MBIT": 1e6, "GBIT": 1e9})
}

func parseUnits(text, want string, units map[string]float64) (int64, error) {
	i := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if i > 0 {
		n, err := strconv.ParseFloat(text[:i], 64)
		unit, ok := units[strings.ToUpper(text[i:])]
		if v := n * unit; err == nil && ok && v >= 1 && v < math.MaxInt64 {
			return int64(math.Round(v)), nil
		}
	}
	return 0, fmt.Errorf("%q is not %s", text, want)
}
