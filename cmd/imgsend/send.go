package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
)

func run(ctx context.Context, v *cli.Voice, o options, images []string) error {
	j, err := o.job(images)
	if err != nil {
		return err
	}
	eng, err := engine.Find(ctx, j.host)
	if err != nil {
		return err
	}
	defer eng.Close()
	v.Sayf("from %s at %s (%s)", eng, eng.Endpoint().Host, eng.Endpoint().From)

	start := time.Now()
	src, err := engine.NewSource(ctx, eng, j.requests)
	if err != nil {
		return err
	}
	prog := &transfer.Progress{}
	snd, err := connect(ctx, j, eng, prog)
	if err != nil {
		return err
	}
	s := &sending{v: v, there: snd.Peer()}
	if s.there.Host == "" {
		s.there.Host = "the other side"
	}
	v.Sayf("to %s (%s)", s.there.Host, s.there.Engine)
	return s.run(ctx, j, src, snd, prog, start)
}

// connect reaches the other host and greets imgrecv there.
func connect(ctx context.Context, j *job, eng *engine.Engine, prog *transfer.Progress) (*transfer.Sender, error) {
	home, err := peer.Home()
	if err != nil {
		return nil, err
	}
	key, err := peer.LoadIdentity(home)
	if err != nil {
		return nil, err
	}
	stream, err := peer.Dial(ctx, key, j.target, peer.DialConfig{Protocol: fmt.Sprintf("%s%d", peer.ProtocolFamily, transfer.Protocol)})
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	mine := transfer.Hello{Program: "imgsend " + cli.Version(), Host: host, Engine: eng.String(), Platform: cli.Platform(eng.Platform())}
	opts := transfer.StreamOptions{Compression: j.compression, Progress: prog}
	if j.limit > 0 {
		return transfer.NewSender(ctx, transfer.Limit(stream, j.limit), mine, opts)
	}
	return transfer.NewSender(ctx, stream, mine, opts)
}

// sending is one transfer as the user sees it.
type sending struct {
	v     *cli.Voice
	there transfer.Hello
	title string
}

func (s *sending) run(ctx context.Context, j *job, src *engine.Source, snd *transfer.Sender, prog *transfer.Progress, start time.Time) error {
	meter := s.v.StartMeter(prog, s.words)
	defer meter.Stop()
	rep, err := transfer.Copy(ctx, src, snd, transfer.Options{
		Progress:  prog,
		DryRun:    j.dryRun,
		OnPlan:    s.planned,
		OnRetry:   func(reason string) { s.v.Warnf("once more with every layer: %s", reason) },
		OnArrival: func(_ *transfer.Image, a transfer.Arrival, whole bool) { cli.ReportArrival(s.v, a, whole, "there") },
	})
	meter.Stop()
	if err != nil {
		return err
	}
	done := cli.Done(rep, prog.Wire.Load(), time.Since(start))
	s.v.Event(done)
	if rep.DryRun {
		s.v.Sayf("dry run: nothing was sent")
		return nil
	}
	s.v.Sayf("%s", cli.Closing(s.title, "sent", "there", done))
	return nil
}

// words says what a phase of the transfer does.
func (s *sending) words(p transfer.Phase) string {
	switch p {
	case transfer.Asking:
		return "waiting for " + s.there.Host + " to accept"
	case transfer.Exporting:
		return "the engine prepares the export"
	case transfer.Moving:
		return "sending"
	case transfer.Loading:
		return s.there.Host + " loads and verifies"
	}
	return p.String()
}

// planned shows what is about to be sent; in a dry run that is all.
func (s *sending) planned(o *transfer.Offer, p *transfer.Plan) {
	if s.title == "" {
		s.title = cli.Titles(o)
	}
	s.v.Event(cli.PlanEvent{Event: "plan", Images: cli.Plans(o, p)})
	for _, note := range cli.ForeignPlatforms(o, s.there.Host, s.there.Platform) {
		s.v.Sayf("%s", note)
	}
	if o.DryRun {
		s.printPlan(o, p)
		return
	}
	for _, line := range cli.PlanLines(o, p, "there", "send") {
		s.v.Sayf("%s", line)
	}
}

// printPlan prints the answer of a dry run, layer by layer, bottom first.
func (s *sending) printPlan(o *transfer.Offer, p *transfer.Plan) {
	var bytes, have int64
	seen := map[string]bool{}
	for i, ip := range cli.Plans(o, p) {
		s.v.Print("%s %s %s\n", cli.Title(&o.Images[i]), ip.ID, ip.Platform)
		for _, l := range ip.Layers {
			word := "send"
			if l.Have {
				word = "there"
			}
			s.v.Print("  %-5s %8s  %s\n", word, cli.Bytes(l.Bytes), l.DiffID)
			if seen[l.DiffID] {
				continue
			}
			seen[l.DiffID] = true
			bytes += l.Bytes
			if l.Have {
				have += l.Bytes
			}
		}
	}
	s.v.Print("would send about %s of %s (%s already there)\n", cli.Bytes(bytes-have), cli.Bytes(bytes), cli.Bytes(have))
}
