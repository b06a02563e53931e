package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/lab"
)

const usage = `Usage: imgfault [options]      (as root)

Runs imgsend and imgrecv between two throwaway hosts, breaks something at a
random moment of each transfer, and checks what is left and that the next try
succeeds. Prints a Markdown table.

  -rounds N         (default 10)
  -first N          number of the first round (default 1)
  -seed N           of all random choices (default 1)
  -engines LIST     of both hosts: classic-28.5,containerd-29.0,podman-5.8
                    (default: the newest of each of these three kinds)
  -faults LIST      of kill-send,term-send,kill-recv,term-recv: signals to
                    imgsend and imgrecv; link,link-for-good: the link is cut;
                    kill-from,kill-to,restart-from,restart-to,pause-from,
                    pause-to: the engines; full-from,full-to: their disks
                    (default: all)
  -size SIZE        of the image of each round (default 90MB)
  -rate RATE        of the link (default 200mbit)
  -longest TIME     that the link is down, of at least 2s (default 90s)
  -v                print what both programs said in each round
  -h                print this

IMGSEND_ENGINES names a folder with engines of other versions.

Example:
  sudo go run ./cmd/imgfault -rounds 60 -seed 7

Exit status: 0 no violation, 1 violations or failed, 2 usage, 130 interrupted
`

// options are the command line.
type options struct {
	rounds, first int
	seed          uint64
	engines       []string // nil is the default
	faults        []string
	size          int64         // of an image, bytes
	rate          int64         // of the link, bits a second
	longest       time.Duration // that the link is down
	verbose       bool

	systems string // folder of engines of other versions, or ""
}

const (
	minSize     = 1_000_000
	shortestCut = 2 * time.Second
)

func parseOptions(args []string) (options, error) {
	o := options{systems: os.Getenv("IMGSEND_ENGINES")}
	var engines, faults, size, rate string
	f := flag.NewFlagSet("imgfault", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&o.rounds, "rounds", 10, "")
	f.IntVar(&o.first, "first", 1, "")
	f.Uint64Var(&o.seed, "seed", 1, "")
	f.StringVar(&engines, "engines", "", "")
	f.StringVar(&faults, "faults", strings.Join(faultNames(), ","), "")
	f.StringVar(&size, "size", "90MB", "")
	f.StringVar(&rate, "rate", "200mbit", "")
	f.DurationVar(&o.longest, "longest", 90*time.Second, "")
	f.BoolVar(&o.verbose, "v", false, "")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.rounds < 1 || o.first < 1 {
		return o, fmt.Errorf("-rounds %d, -first %d: both are at least 1", o.rounds, o.first)
	}
	if o.longest < shortestCut {
		return o, fmt.Errorf("-longest: %v is less than %v", o.longest, shortestCut)
	}
	var err error
	if engines != "" {
		if o.engines = strings.Split(engines, ","); slices.ContainsFunc(o.engines, isNative) {
			return o, fmt.Errorf("-engines: imgfault examines engines through the Docker API, which containerd by itself has not")
		}
	}
	if o.faults, err = lab.ParseList(faults, faultNames()); err != nil {
		return o, fmt.Errorf("-faults: %w", err)
	}
	if o.size, err = lab.ParseSize(size); err != nil {
		return o, fmt.Errorf("-size: %w", err)
	}
	if o.size < minSize {
		return o, fmt.Errorf("-size: %s is less than %s", size, cli.Bytes(minSize))
	}
	if o.rate, err = lab.ParseRate(rate); err != nil {
		return o, fmt.Errorf("-rate: %w", err)
	}
	return o, nil
}

func isNative(engine string) bool { return strings.HasPrefix(engine, "native-") }

// repeat returns the command that repeats one round.
func (o options) repeat(round int) string {
	return fmt.Sprintf("go run ./cmd/imgfault -seed %d -first %d -rounds 1 -engines %s -faults %s -size %dB -rate %dkbit -longest %v -v",
		o.seed, round, strings.Join(o.engines, ","), strings.Join(o.faults, ","), o.size, o.rate/1000, o.longest)
}
