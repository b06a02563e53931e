package main

import (
	"cmp"
	"context"
	"os"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/reach"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

func run(ctx context.Context, v *cli.Voice, o options, images []string) error {
	host, _ := os.Hostname()
	me := peer.CleanName(host)
	home, book, done, err := cli.OpenState(ctx, v, me, o.saved)
	if err != nil || done {
		return err
	}
	j, err := o.job(images)
	if err != nil {
		return err
	}
	switch {
	case j.output != "":
		return j.write(ctx, v)
	case o.listens():
		return j.await(ctx, v, o, home, book, cmp.Or(o.name, me))
	}
	if len(o.to) == 0 && os.Getenv(reach.CodeVariable) == "" {
		if err := peerAmong(book, images); err != nil {
			return err
		}
	}
	targets, err := destinations(ctx, v, o.to)
	if err != nil {
		return err
	}
	key, err := peer.LoadIdentity(home)
	if err != nil {
		return err
	}
	r := &reach.Reacher{Way: reach.To, Voice: v, Key: key, Book: book, Me: me, Remember: !o.noRemember}
	if len(targets) > 1 {
		return fan(ctx, v, j, r, targets)
	}
	return sendAnew(ctx, v, j, r, targets[0])
}

// send describes the images, reaches the other host, and copies them there.
func send(ctx context.Context, v *cli.Voice, j *job, r *reach.Reacher, target peer.Target) (err error) {
	start := time.Now()
	from, err := j.origin(ctx, v)
	if err != nil {
		return err
	}
	defer func() { err = from.end(ctx, v, err) }()
	_, err = (&delivery{v: v, j: j, r: r, from: from, start: start}).run(ctx, target)
	return err
}

// A delivery is what takes the images to one host.
type delivery struct {
	v      *cli.Voice
	j      *job
	r      *reach.Reacher
	from   *origin
	tap    *transfer.Tap    // of the source of several receivers; nil: there is one
	blocks *wire.BlockCache // that they have in common
	start  time.Time
}

// run reaches the host and copies the images there. It returns no report if it has not come
// to that.
func (d *delivery) run(ctx context.Context, target peer.Target) (*transfer.Report, error) {
	typed := d.r.Typing()
	stream, err := d.r.Reach(ctx, target)
	if err != nil {
		return nil, err
	}
	prog := &transfer.Progress{}
	snd, err := wire.NewSender(ctx, d.j.limited(stream), wire.Hello{Program: "imgsend " + cli.Version(), Host: d.r.Me,
		Engine: d.from.name, Platform: layout.PlatformText(d.from.platform)}, wire.StreamOptions{Compression: d.j.compression, Blocks: d.blocks, Progress: prog,
		RetryFor: d.j.retryFor, OnLine: func(e wire.LineEvent) { d.v.Line(e, cli.Redialing, cli.Sender{}) },
		Redial: func(ctx context.Context) (wire.Stream, error) {
			next, err := d.r.Redial(ctx, stream)
			if err != nil {
				return nil, err
			}
			stream = next
			return d.j.limited(next), nil
		}})
	if err != nil {
		return nil, err
	}
	there := snd.Peer()
	d.v.Event(cli.Connected(stream.Peer(), stream.RemoteAddr(), there))
	if there.Host == "" {
		there.Host = "the other side"
	}
	d.v.Sayf("to %s (%s)", there.Host, there.Engine)
	s := &sending{phase: snd.PeerPhase, queue: snd.PeerQueue, tap: d.tap, host: there.Host, engine: there.Engine, verb: "sent", doing: "sending",
		Transfer: cli.Transfer{Voice: d.v, Progress: prog, Side: "there", Act: "send", Start: d.start, Idle: d.r.Typing() - typed, Host: there.Host, Platform: there.Platform}}
	rep, err := s.run(ctx, d.j, d.from, snd)
	return rep, goneFrom(stream, err)
}

// sending is one transfer to another host, or into an archive.
type sending struct {
	cli.Transfer
	phase       func() string             // what the other side does; nil for an archive
	queue       func() (wire.Queue, bool) // why the other side has this one wait, if it does
	tap         *transfer.Tap             // the source, of several receivers; nil: there is one
	host        string                    // the other host, or the name of an archive
	engine      string                    // what loads the images, as it calls itself
	verb, doing string                    // "sent", "sending"
	keep        bool                      // others may be served at the same time
}

func (s *sending) run(ctx context.Context, j *job, from *origin, to transfer.Sink) (*transfer.Report, error) {
	s.Words, s.Table = s.words, j.dryRun
	if h, ok := from.Source.(store.Historian); ok && j.dryRun {
		s.History = func(m *transfer.Image) []string {
			made, _ := h.History(ctx, m.ID) // a dry run goes on without it
			return made.Layers
		}
	}
	if !s.Silent {
		s.StartMeter()
	}
	waited := s.watchWaiting(ctx)
	defer waited()
	// A pipe's reader may take its time.
	src := from.Source
	if s.tap != nil {
		src = s.tap
	}
	rep, err := s.Copy(ctx, src, to, transfer.Options{DryRun: j.dryRun, PatientSink: s.phase == nil, Patience: j.patience})
	if err != nil {
		return rep, err
	}
	if waited() {
		s.Idle += s.Accepting()
	}
	line := s.Done(rep, s.verb)
	if rep.DryRun {
		if !j.dryRun {
			s.Voice.Sayf("%s made a dry run: nothing was sent, still waiting", s.host)
			return rep, nil
		}
		s.Voice.Sayf("dry run: nothing was %s", s.verb)
		return rep, nil
	}
	if s.keep {
		line = "to " + s.host + ": " + line
	}
	s.Voice.Sayf("%s", line)
	for _, line := range from.runLines {
		s.Voice.Sayf("to start it there with its settings: %s", line(runProgram(s.engine)))
	}
	if from.sent != nil {
		return rep, from.sent(ctx)
	}
	return rep, nil
}

// runProgram returns the command that runs containers of an engine that calls itself so.
func runProgram(engine string) string {
	switch {
	case strings.HasPrefix(engine, "Podman"):
		return "podman"
	case strings.HasPrefix(engine, "containerd"):
		return "nerdctl"
	}
	return "docker"
}

// words says what a phase of the transfer does.
func (s *sending) words(p transfer.Phase) string {
	switch p {
	case transfer.Asking:
		if q, queued := s.queued(); queued {
			return "waiting: " + s.busy(q)
		}
		return "waiting for " + s.host + " to accept"
	case transfer.Exporting:
		if s.tap != nil && s.tap.Held() {
			return "waiting for the other receivers"
		}
		return "the engine prepares the export"
	case transfer.Moving:
		return s.doing
	case transfer.Loading:
		if s.phase == nil {
			return "finishing " + s.host
		}
		return s.host + " loads and verifies"
	}
	return p.String()
}
