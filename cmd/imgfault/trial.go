package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// A host is one of the two hosts.
type host int

const (
	sendingHost host = iota
	receivingHost
)

func (h host) String() string { return [...]string{"sending", "receiving"}[h] }

// dataFactor is how many times the image the disk of an engine holds. A kill may leave
// blobs in a containerd store for hours.
const dataFactor = 12

// A trial is all that is set up for the rounds.
type trial struct {
	options
	specs   []throwaway.Spec
	site    *lab.Site
	engines map[engineKey]*throwaway.Engine

	undo []func() error // what removes all that was made, in reverse
}

type engineKey struct {
	host host
	name string
}

// run plays all rounds and removes everything again. With an error the report has the
// rounds before it.
func run(ctx context.Context, o options) (rep *report, err error) {
	t := &trial{options: o, engines: map[engineKey]*throwaway.Engine{}}
	defer func() {
		for _, f := range slices.Backward(t.undo) {
			err = errors.Join(err, f())
		}
	}()
	rep = &report{}
	if err := t.setUp(ctx, rep); err != nil {
		return nil, err
	}
	rep.options = t.options
	for n := o.first; n < o.first+o.rounds; n++ {
		p := planRound(t.options, n)
		program.Sayf("round %d: %s, %s to %s", n, p.fault.name, p.from, p.to)
		r, err := t.play(ctx, p)
		if ctx.Err() != nil {
			return rep, ctx.Err()
		}
		if err != nil {
			// An engine that does not answer, for example, may be what the programs did to it.
			r.foundf("the round could not go on: %v", err)
		}
		rep.rounds = append(rep.rounds, r)
		for _, f := range r.found {
			program.Sayf("round %d: FOUND: %s", n, lab.OneLine(f))
		}
		if len(r.found) > 0 {
			// What is left there must not be found again in the next round.
			if err := t.discard(p); err != nil {
				return rep, err
			}
		}
	}
	return rep, nil
}

func (t *trial) setUp(ctx context.Context, rep *report) (err error) {
	var skipped []throwaway.Skipped
	if t.specs, skipped = throwaway.Available(t.systems); len(t.specs) == 0 {
		return fmt.Errorf("no container engine can be started here: %v", skipped)
	}
	if t.options.engines == nil {
		t.options.engines = newestOfEach(t.specs)
	}
	for _, name := range t.options.engines {
		if _, err := lab.Find(t.specs, name); err != nil {
			return err
		}
	}
	program.Sayf("building imgsend and imgrecv")
	if t.site, err = lab.Open(ctx, "imgfault", t.rate); err != nil {
		return err
	}
	t.undo = append(t.undo, t.site.Close)
	rep.facts = []string{
		fmt.Sprintf("Machine: %d cores, %s, imgsend %s", runtime.NumCPU(), runtime.Version(), t.site.Programs.Revision),
		fmt.Sprintf("Engines: %s, with their data in memory", strings.Join(t.options.engines, ", ")),
		fmt.Sprintf("Link: veth pair, %g Mbit/s each way; images of %s in 3 layers", float64(t.rate)/1e6, cli.Bytes(t.size)),
	}
	return nil
}

// newestOfEach returns the newest engine of each kind of store.
func newestOfEach(specs []throwaway.Spec) []string {
	var names []string
	for _, family := range []string{"classic-", "containerd-", "podman-"} {
		of := slices.DeleteFunc(slices.Clone(specs), func(s throwaway.Spec) bool { return !strings.HasPrefix(s.Name, family) })
		if len(of) > 0 {
			names = append(names, lab.Newest(of))
		}
	}
	return names
}

// engine returns an engine of a host. It starts it when a round first needs it.
func (t *trial) engine(ctx context.Context, h host, name string) (*throwaway.Engine, error) {
	key := engineKey{h, name}
	if e := t.engines[key]; e != nil {
		return e, nil
	}
	spec, err := lab.Find(t.specs, name)
	if err != nil {
		return nil, err
	}
	spec.NetNS = []string{t.site.Link.Sender, t.site.Link.Receiver}[h]
	spec.Data, spec.DiskLimit = throwaway.InMemory, dataFactor*t.size+1<<30 // and the engine's own files
	e, err := throwaway.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	t.engines[key] = e
	t.undo = append(t.undo, e.Stop)
	return e, nil
}

// discard stops the engines of a round. The next round that needs them gets new ones.
func (t *trial) discard(p plan) error {
	var errs []error
	for _, key := range []engineKey{{sendingHost, p.from}, {receivingHost, p.to}} {
		if e := t.engines[key]; e != nil {
			errs = append(errs, e.Stop())
			delete(t.engines, key)
		}
	}
	return errors.Join(errs...)
}
