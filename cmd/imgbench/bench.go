package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// roomFactor is how many times the image the engines' disk or memory must hold: both engines keep
// it and keep an archive of it while they save or load, and a containerd store
// has its layers both packed and unpacked.
const roomFactor = 5

// registryRoomFactor is how many times more it must hold it with a registry and
// its two engines.
const registryRoomFactor = 5

// A bench is all that is set up for the measurement.
type bench struct {
	options
	machine    string // what it runs on
	base, next throwaway.Image
	site       *lab.Site
	entries    []entry
	wire       int64 // bytes that imgsend has sent in its last run
	report     *report

	undo []func() error // what removes all that was made, in reverse
}

// run sets up, measures and removes everything again. It returns the report also
// if only the removal failed.
func run(ctx context.Context, o options) (_ *report, err error) {
	b := &bench{options: o, machine: machine(), report: &report{limited: o.rate > 0, rawValues: o.verbose}}
	defer func() {
		for _, f := range slices.Backward(b.undo) {
			err = errors.Join(err, f())
		}
	}()
	if err := b.setUp(ctx); err != nil {
		return nil, err
	}
	for _, s := range b.scenarios {
		if err := b.measure(ctx, s); err != nil {
			return nil, err
		}
	}
	return b.report, nil
}

func (b *bench) setUp(ctx context.Context) error {
	if err := b.checkRoom(); err != nil {
		return err
	}
	specs, skipped := throwaway.Available(b.engines)
	native, _ := throwaway.AvailableNative(b.engines)
	if len(specs)+len(native) == 0 {
		return fmt.Errorf("no container engine can be started here: %v", skipped)
	}
	specs = append(specs, native...)
	send, recv, err := lab.Choose(specs, b.from, b.to)
	if err != nil {
		return err
	}
	if b.registry != "" && (send.Kind == throwaway.Podman || recv.Kind == throwaway.Podman) {
		return errors.New("-registry: Podman uses no registry without TLS")
	}
	if b.registry != "" && (send.Kind == throwaway.Native || recv.Kind == throwaway.Native) {
		return errors.New("-registry: push and pull are the Docker API's, which containerd by itself has not")
	}
	program.Sayf("building imgsend and imgrecv")
	if b.site, err = lab.Open(ctx, "imgbench", b.rate); err != nil {
		return err
	}
	b.undo = append(b.undo, b.site.Close)
	send.NetNS, recv.NetNS = b.site.Link.Sender, b.site.Link.Receiver
	send.Data, recv.Data = b.data, b.data
	if b.data == throwaway.InMemory {
		send.DiskLimit = b.roomNeeded() + 1<<30 // the engine's own files too, if the image is small
		recv.DiskLimit = send.DiskLimit
	}
	b.base, b.next = makeImages(b.size)
	common, err := b.startPair(ctx, send, recv)
	if err != nil {
		return err
	}
	rivals, err := newRivals(ctx, b.rivals, b.registry, b.site.Link, b.site.Folder)
	if err != nil {
		return err
	}
	b.undo = append(b.undo, func() error { rivals.close(); return nil })
	b.report.notes = rivals.notes
	contenders := append([]contender{&ours{b.site.Runner}}, rivals.list...)
	if b.floors {
		contenders = append(contenders, &lineFloor{b.site.Link, &b.wire}, &loadFloor{pipe{tool: rivals.tool, env: rivals.env}, b.site.Folder})
	}
	for _, c := range contenders {
		engines := common
		if apart, ok := c.(apartContender); ok {
			if engines, err = b.startPair(ctx, send, recv); err != nil {
				return err
			}
			engines.to.load = apart.loader(engines.from)
		}
		b.entries = append(b.entries, entry{c, engines})
	}
	return b.describe(ctx, common)
}

// A pair is two engines, one of which sends to the other.
type pair struct {
	from *throwaway.Engine // has both images
	to   *receiver
}

// startPair starts two engines and gives the sending one the images.
func (b *bench) startPair(ctx context.Context, send, recv throwaway.Spec) (*pair, error) {
	load := throwaway.Load
	if b.pulled {
		load = throwaway.LoadPulled
	}
	program.Sayf("starting %s and %s, making the images", send.Name, recv.Name)
	from, err := throwaway.Start(ctx, send)
	if err != nil {
		return nil, err
	}
	b.undo = append(b.undo, from.Stop)
	if err := load(ctx, from, b.base, b.next); err != nil {
		return nil, err
	}
	to := &receiver{spec: recv, base: b.base, next: b.next, load: load}
	b.undo = append(b.undo, to.stop)
	return &pair{from, to}, to.fresh(ctx)
}

// roomNeeded is about how much of the disk or memory is used at once.
func (o options) roomNeeded() int64 {
	if o.registry != "" {
		return o.size * (roomFactor + registryRoomFactor)
	}
	return o.size * roomFactor
}

func (o options) checkRoom() error {
	need := o.roomNeeded()
	if o.data == throwaway.InMemory {
		free, err := throwaway.AvailableMemory()
		if err == nil && free < need {
			err = fmt.Errorf("%s of memory are available and about %s are needed; take -data disk", cli.Bytes(free), cli.Bytes(need))
		}
		return err
	}
	free, err := freeDisk(os.TempDir())
	if err != nil {
		return err
	}
	if free < need {
		return fmt.Errorf("%s has %s free and about %s are needed; take another with TMPDIR", os.TempDir(), cli.Bytes(free), cli.Bytes(need))
	}
	return nil
}

// describe writes down the facts for the report.
func (b *bench) describe(ctx context.Context, engines *pair) error {
	from, err := lab.Describe(ctx, engines.from)
	if err != nil {
		return err
	}
	to, err := lab.Describe(ctx, engines.to.engine)
	if err != nil {
		return err
	}
	link := "veth pair, no limit"
	if b.rate > 0 {
		link = fmt.Sprintf("veth pair, %g Mbit/s each way", float64(b.rate)/1e6)
	}
	layers := "plain"
	if b.pulled {
		layers = "gzipped"
	}
	var sizes []string
	for _, l := range b.base.Layers {
		sizes = append(sizes, fmt.Sprintf("%s %s", cli.Bytes(l.TarSize()), l.Kind))
	}
	b.report.facts = []string{
		fmt.Sprintf("Machine: %d cores, %s, %s, imgsend %s", runtime.NumCPU(), b.machine, runtime.Version(), b.site.Programs.Revision),
		fmt.Sprintf("From %s to %s", from, to),
		fmt.Sprintf("Engines' data: %s", map[throwaway.Data]string{throwaway.OnDisk: "on disk", throwaway.InMemory: "in memory"}[b.data]),
		fmt.Sprintf("Link: %s", link),
		fmt.Sprintf("Image: %s in %d %s layers (%s); the next version has %s %s more", cli.Bytes(b.base.Size()), len(sizes), layers,
			strings.Join(sizes, ", "), cli.Bytes(b.next.Size()-b.base.Size()), b.next.Layers[len(sizes)].Kind),
		fmt.Sprintf("Rounds: %d; seconds and bytes are medians, memory is the highest", b.rounds),
	}
	return nil
}

// measure runs one scenario: all contenders in turn, round by round.
func (b *bench) measure(ctx context.Context, s scenario) error {
	all := make([]*series, len(b.entries))
	for i, e := range b.entries {
		all[i] = &series{scenario: s.title(b.base, b.next), contender: e.name(), rival: e.rival(), onLink: e.onLink()}
	}
	for round := range b.rounds {
		for i, e := range b.entries {
			if err := e.prepare(ctx, s); err != nil {
				return fmt.Errorf("prepare for %s: %w", s, err)
			}
			x := b.sample(ctx, e, s.image(b.base, b.next))
			if _, own := e.contender.(*ours); own {
				b.wire = x.wire
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if all[i].samples = append(all[i].samples, x); x.err != nil {
				// What a failed run left must not help the next one.
				if err := e.to.stop(); err != nil {
					return err
				}
				program.Sayf("%s, round %d of %d: %s failed: %v", s, round+1, b.rounds, e.name(), x.err)
				continue
			}
			program.Sayf("%s, round %d of %d: %s %.2f s, %s", s, round+1, b.rounds, e.name(), x.took.Seconds(), cli.Bytes(x.wire))
		}
	}
	for i, e := range b.entries {
		b.report.series = append(b.report.series, all[i])
		if c, ok := e.contender.(apartContender); ok {
			b.report.series = append(b.report.series, all[i].partial(c.part()))
		}
	}
	return nil
}

// sample runs one contender once.
func (b *bench) sample(ctx context.Context, e entry, img throwaway.Image) (x sample) {
	runCtx, cancel := context.WithTimeout(ctx, runLimit(img.Size(), b.rate))
	defer cancel()
	flushDisks()
	before, err := b.site.Link.Bytes(runCtx)
	if err != nil {
		return sample{err: err}
	}
	x, err = e.send(runCtx, e.from, e.to.engine, img.Ref)
	if err != nil {
		x.err = err
		return x
	}
	if _, none := e.contender.(interface{ nothingArrives() }); !none {
		if x.err = lab.Verify(runCtx, e.to.engine, img); x.err != nil {
			return x
		}
	}
	if e.onLink() {
		var after int64
		after, x.err = b.site.Link.Bytes(runCtx)
		x.wire = after - before
	}
	return x
}

// runLimit is how long one run may take before it counts as hanging.
func runLimit(size, rate int64) time.Duration {
	limit := 3*time.Minute + time.Duration(size/5_000_000)*time.Second
	if rate > 0 {
		limit += time.Duration(float64(3*8*size) / float64(rate) * float64(time.Second))
	}
	return limit
}
