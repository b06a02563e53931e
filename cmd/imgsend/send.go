package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

func run(ctx context.Context, v *cli.Voice, o options, images []string) error {
	home, book, done, err := cli.OpenState(ctx, v, o.peers, o.forget)
	if err != nil || done {
		return err
	}
	j, err := o.job(images)
	if err != nil {
		return err
	}
	if j.output != "" {
		return j.write(ctx, v)
	}
	to, err := destination(ctx, v, o.to)
	if err != nil {
		return err
	}
	to = strings.Clone(to)
	target, err := peer.ParseTarget(to)
	if !target.Code.IsZero() || errors.Is(err, peer.ErrBadCode) {
		hideArgument(to)
	}
	if err != nil {
		return err
	}
	key, err := peer.LoadIdentity(home)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	r := &reacher{v: v, key: key, book: book, me: peer.CleanName(host), remember: !o.noRemember}
	return send(ctx, v, j, r, target)
}

// send describes the images, reaches the other host, and copies them there.
func send(ctx context.Context, v *cli.Voice, j *job, r *reacher, target peer.Target) (err error) {
	start := time.Now()
	from, err := j.origin(ctx, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close(ctx)) }()
	stream, err := r.reach(ctx, target)
	if err != nil {
		return err
	}
	prog := &transfer.Progress{}
	snd, err := greet(ctx, j, stream, wire.Hello{Program: "imgsend " + cli.Version(), Host: r.me,
		Engine: from.name, Platform: layout.PlatformText(from.platform)}, prog)
	if err != nil {
		return err
	}
	s := &sending{v: v, phase: snd.PeerPhase, there: snd.Peer(), act: "send", verb: "sent", doing: "sending"}
	if s.there.Host == "" {
		s.there.Host = "the other side"
	}
	v.Sayf("to %s (%s)", s.there.Host, s.there.Engine)
	return s.run(ctx, j, from, snd, prog, start)
}

func greet(ctx context.Context, j *job, stream wire.Stream, mine wire.Hello, prog *transfer.Progress) (*wire.Sender, error) {
	if j.limit > 0 {
		stream = wire.Limit(stream, j.limit)
	}
	return wire.NewSender(ctx, stream, mine, wire.StreamOptions{Compression: j.compression, Progress: prog})
}

// sending is one transfer as the user sees it.
type sending struct {
	v           *cli.Voice
	phase       func() string // what the other side does; nil for an archive
	there       wire.Hello    // Host is also the name of an archive
	act         string        // "send"
	verb, doing string        // "sent", "sending"
	patient     bool          // wait for as long as it likes
	title       string
}

func (s *sending) run(ctx context.Context, j *job, from *origin, to transfer.Sink, prog *transfer.Progress, start time.Time) error {
	meter := s.v.StartMeter(prog, s.words)
	defer meter.Stop()
	turn := s.watchTurn(ctx)
	defer turn()
	rep, err := transfer.Copy(ctx, from.Source, to, transfer.Options{
		Progress:  prog,
		DryRun:    j.dryRun,
		OnPlan:    s.planned,
		OnRetry:   func(reason string) { s.v.Warnf("once more with every layer: %s", reason) },
		OnArrival: func(_ *transfer.Image, a transfer.Arrival, whole bool) { cli.ReportArrival(s.v, a, whole, "there") },

		PatientSink: s.patient,
	})
	meter.Stop()
	if err != nil {
		return err
	}
	done := cli.Done(rep, prog.Wire.Load(), time.Since(start))
	s.v.Event(done)
	if rep.DryRun {
		s.v.Sayf("dry run: nothing was %s", s.verb)
		return nil
	}
	s.v.Sayf("%s", cli.Closing(s.title, s.verb, "there", done))
	if from.sent != nil {
		return from.sent(ctx)
	}
	return nil
}

// queued reports whether the other side lets this one wait for its turn.
func (s *sending) queued() bool { return s.phase != nil && s.phase() == transfer.Queued.String() }

// watchTurn says so when the other side lets this one wait for its turn. The
// returned function ends the watch.
func (s *sending) watchTurn(ctx context.Context) func() {
	if s.phase == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(turnEvery)
		defer tick.Stop()
		for !s.queued() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		s.v.Sayf("%s is busy with another transfer; waiting for our turn", s.there.Host)
	}()
	return func() {
		cancel()
		<-done
	}
}

// turnEvery is how often watchTurn looks.
const turnEvery = 200 * time.Millisecond

// words says what a phase of the transfer does.
func (s *sending) words(p transfer.Phase) string {
	switch p {
	case transfer.Asking:
		if s.queued() {
			return "waiting: " + s.there.Host + " is busy with another transfer"
		}
		return "waiting for " + s.there.Host + " to accept"
	case transfer.Exporting:
		return "the engine prepares the export"
	case transfer.Moving:
		return s.doing
	case transfer.Loading:
		if s.phase == nil {
			return "finishing " + s.there.Host
		}
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
	for _, line := range cli.PlanLines(o, p, "there", s.act) {
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
			word := s.act
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
	s.v.Print("would %s about %s of %s (%s already there)\n", s.act, cli.Bytes(bytes-have), cli.Bytes(bytes), cli.Bytes(have))
}
