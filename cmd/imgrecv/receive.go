package main

import (
	"context"
	"fmt"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
)

// A receiver takes in transfers.
type receiver struct {
	v      *cli.Voice
	o      options
	engine *engine.Engine
	door   *door
}

// wait serves streams until a transfer has ended, well or not. A stream that
// ends before it has offered anything, and a dry run, do not count.
func (r *receiver) wait(ctx context.Context, host *peer.Host) error {
	for {
		stream, err := host.Accept(ctx)
		if err != nil {
			return err
		}
		counts, err := r.serve(ctx, stream)
		if counts {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.v.Sayf("%s: %v; still waiting", stream.Peer(), err)
		}
	}
}

// serve runs one transfer. counts says whether it was one.
func (r *receiver) serve(ctx context.Context, stream *peer.Stream) (counts bool, err error) {
	start := time.Now()
	prog := &transfer.Progress{}
	mine := transfer.Hello{Program: "imgrecv " + cli.Version(), Host: r.o.name, Engine: r.engine.String(), Platform: cli.Platform(r.engine.Platform())}
	rcv, err := transfer.NewReceiver(ctx, stream, mine, transfer.StreamOptions{Progress: prog})
	if err != nil {
		return false, err
	}
	there := rcv.Peer()
	if there.Host == "" {
		there.Host = "unknown host"
	}
	var meter *cli.Meter
	var title string
	defer func() {
		if meter != nil {
			meter.Stop()
		}
	}()
	rep, err := transfer.Copy(ctx, rcv, engine.NewSink(ctx, r.engine), transfer.Options{
		Progress: prog,
		Accept: func(ctx context.Context, o *transfer.Offer) error {
			counts = !o.DryRun
			title = cli.Titles(o)
			r.v.Event(cli.OfferEvent{Event: "offer", From: stream.Peer().String(), Host: there.Host, Images: cli.Plans(o, nil)})
			r.showOffer(there, stream.Peer(), o)
			err := r.door.accept(ctx, stream.Peer())
			start = time.Now()
			return err
		},
		OnPlan: func(o *transfer.Offer, p *transfer.Plan) {
			r.v.Event(cli.PlanEvent{Event: "plan", Images: cli.Plans(o, p)})
			for _, line := range cli.PlanLines(o, p, "here", "receive") {
				r.v.Sayf("%s", line)
			}
			if meter == nil && !o.DryRun {
				meter = r.v.StartMeter(prog, r.words(there.Host))
			}
		},
		OnRetry:   func(reason string) { r.v.Warnf("once more with every layer: %s", reason) },
		OnArrival: func(_ *transfer.Image, a transfer.Arrival, whole bool) { cli.ReportArrival(r.v, a, whole, "here") },
	})
	if meter != nil {
		meter.Stop()
	}
	if err != nil {
		return counts, err
	}
	done := cli.Done(rep, prog.Wire.Load(), time.Since(start))
	if rep.DryRun {
		r.v.Sayf("that was a dry run: nothing was sent, still waiting")
		return false, nil
	}
	r.v.Event(done)
	r.v.Sayf("%s", cli.Closing(title, "received", "here", done))
	return true, nil
}

// showOffer says who wants to send what.
func (r *receiver) showOffer(there transfer.Hello, from peer.ID, o *transfer.Offer) {
	r.v.Sayf("%s (peer %s) offers:", there.Host, from)
	for i := range o.Images {
		m := &o.Images[i]
		r.v.Sayf("  %s, %s, %s, about %s", cli.Title(m), cli.Platform(m.Platform), cli.Count(len(m.Layers), "layer"), cli.Bytes(m.Size()))
	}
	for _, note := range cli.ForeignPlatforms(o, "this engine", cli.Platform(r.engine.Platform())) {
		r.v.Sayf("%s", note)
	}
}

func (r *receiver) words(there string) func(transfer.Phase) string {
	return func(p transfer.Phase) string {
		switch p {
		case transfer.Asking, transfer.Exporting:
			return fmt.Sprintf("waiting for %s to export", there)
		case transfer.Moving:
			return "receiving"
		case transfer.Loading:
			return "the engine loads and verifies"
		}
		return p.String()
	}
}
