package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/door"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/opencontainers/go-digest"
)

// maxServed is the number of receivers that are served at the same time with --keep.
const maxServed = 4

// A giver waits for receivers and sends them the images that they fetch.
type giver struct {
	v    *cli.Voice
	o    options
	j    *job
	door *door.Door
	book *peer.Book

	hello    wire.Hello
	sessions wire.Sessions
}

// await checks that the images to offer exist, and then waits for receivers.
func (j *job) await(ctx context.Context, v *cli.Voice, o options, home string, book *peer.Book, me string) error {
	d, err := door.New(door.Config{Way: door.Fetch, Voice: v, Book: book, Name: me, Allow: o.allow, Yes: o.yes, Code: o.code, Keep: o.keep,
		Remember: !o.noRemember})
	if err != nil {
		return err
	}
	key, err := peer.LoadIdentity(home)
	if err != nil {
		return err
	}
	g := &giver{v: v, o: o, j: j, door: d, book: book, hello: wire.Hello{Program: "imgsend " + cli.Version(), Host: me}}
	if err := g.look(ctx); err != nil {
		return err
	}
	j.said = true
	host, err := peer.Listen(ctx, key, peer.ListenConfig{Addr: o.listen, Policy: d.Policy(), Offers: true})
	if err != nil {
		return err
	}
	defer host.Close()
	return d.Serve(ctx, host, func(ctx context.Context) error { return g.wait(ctx, host) })
}

// look prints what is offered and sets the engine and platform of the hello message. It returns
// an error if the images or containers to offer do not exist. Patterns need not match any image
// yet.
func (g *giver) look(ctx context.Context) error {
	switch {
	case g.j.patterns != nil:
		c, err := g.j.catalog(ctx)
		if err != nil {
			return err
		}
		defer c.from.Close()
		cli.SayStore(g.v, "from", c.from)
		g.hello.Engine, g.hello.Platform = c.from.String(), layout.PlatformText(c.from.Platform())
		if len(c.names) == 0 {
			g.v.Warn(cli.WarnNothing, "no image here matches %s yet", strings.Join(g.j.patterns, " or "))
		}
		g.v.Sayf("offering %s now", cli.Count(len(c.names), "name"))
	case g.j.containers != nil:
		from, err := engine.Open(ctx, engine.Address{Host: g.j.host, Namespace: g.j.namespace})
		if err != nil {
			return err
		}
		defer from.Close()
		cli.SayStore(g.v, "from", from)
		g.hello.Engine, g.hello.Platform = from.String(), layout.PlatformText(from.Platform())
		_, err = g.j.containers.find(ctx, from)
		return err
	default:
		from, err := g.j.origin(ctx, g.v)
		if err != nil {
			return err
		}
		g.hello.Engine, g.hello.Platform = from.name, layout.PlatformText(from.platform)
		return from.close(ctx)
	}
	return nil
}

// A guest is a receiver that has been greeted and waits to be served.
type guest struct {
	*wire.Sender
	stream *peer.Stream
	prog   *transfer.Progress
}

// ID returns the ID of the receiver.
func (g *guest) ID() peer.ID { return g.stream.Peer() }

// greet exchanges the hello messages. It returns false if the receiver resumes a transfer or
// has disconnected.
func (g *giver) greet(ctx context.Context, stream *peer.Stream) (*guest, bool) {
	vis := &guest{stream: stream, prog: &transfer.Progress{}}
	vis.prog.Enter(transfer.Queued)
	snd, err := g.sessions.Send(ctx, g.j.limited(stream), stream.Peer().String(), g.hello, wire.StreamOptions{Compression: g.j.compression,
		Progress: vis.prog, RetryFor: g.j.retryFor, OnLine: func(e wire.LineEvent) { g.v.Line(e, cli.Holding, cli.Sender{}) }})
	switch {
	case err == nil:
		vis.Sender = snd
		g.v.Event(cli.Connected(stream.Peer(), stream.RemoteAddr(), snd.Peer()))
		return vis, true
	case ctx.Err() == nil && !errors.Is(err, wire.ErrResumed):
		g.v.Sayf("peer %s: %v; still waiting", cli.ShortID(stream.Peer()), err)
	}
	return nil, false
}

// wait serves receivers until one transfer has succeeded or failed; with --keep, until ctx
// ends. These do not count as a transfer:
//
//   - a listing;
//   - a dry run;
//   - a failure before the first byte, unless the engine here caused it;
//   - a stranger that the user refuses.
//
// On a terminal, a transfer whose connection broke is the result only if no receiver connects
// within --retry-for.
func (g *giver) wait(ctx context.Context, host *peer.Host) error {
	inside, cancel := context.WithCancel(ctx)
	l := door.OpenLobby(inside, door.Fetch, host, g.greet)
	defer l.Close()
	defer cancel()
	if g.o.keep {
		var serving sync.WaitGroup
		for range maxServed {
			serving.Go(func() {
				for vis := range l.Visitors() {
					if _, err := g.serve(ctx, vis); err != nil && ctx.Err() == nil {
						g.failed(vis, err)
					}
				}
			})
		}
		serving.Wait()
		return l.Err()
	}
	var last error
	var tooLate <-chan time.Time
	for {
		select {
		case <-tooLate:
			return last
		case vis, ok := <-l.Visitors():
			if !ok && last != nil {
				return last
			}
			if !ok {
				return l.Err()
			}
			counts, err := g.serve(ctx, vis)
			switch {
			case ctx.Err() != nil && !counts:
				continue // the lobby closes
			case !counts && err != nil:
				g.v.Sayf("%s: %v; still waiting", g.book.Called(vis.ID()), err)
			case !counts:
			case g.door.Terminal() && g.j.retryFor > 0 && ctx.Err() == nil && cli.ExitCode(err) == cli.ExitBroken:
				last = &cli.StandingError{Err: err}
				tooLate = time.After(g.j.retryFor)
				g.v.Warnf("to %s: %v", g.book.Called(vis.ID()), err)
				g.v.Sayf("waiting for %s more for the receiver to try again; Ctrl-C ends that", cli.Duration(g.j.retryFor))
				g.v.Event(cli.RetryEvent{Event: "retry", Kind: cli.RetryWait, Message: err.Error(), Seconds: g.j.retryFor.Seconds()})
			default:
				return err
			}
		}
	}
}

// failed warns about a transfer that failed while imgsend continues to wait.
func (g *giver) failed(vis *guest, err error) {
	message := fmt.Sprintf("to %s: %v", g.book.Called(vis.ID()), err)
	g.v.Warnf("%s", message)
	g.v.Event(cli.WarningEvent{Event: "warning", Code: cli.WarnFailed, Message: message})
}

// serve sends a guest the images that it asks for. counts is true if this was a transfer, see
// wait.
func (g *giver) serve(ctx context.Context, vis *guest) (counts bool, err error) {
	there := vis.Peer()
	if there.Host == "" {
		there.Host = "unknown host"
	}
	j, err := g.admitted(ctx, vis, there.Host)
	if j == nil || err != nil {
		return false, errors.Join(err, vis.Close(err))
	}
	start := time.Now() // do not count the time that the users took to accept
	from, err := j.origin(ctx, g.v)
	if missing := (*store.MissingError)(nil); errors.As(err, &missing) {
		err = notOffered(missing.Images) // removed since they were offered
		return false, errors.Join(err, vis.Close(err))
	}
	if err != nil {
		return true, errors.Join(err, vis.Close(err))
	}
	s := &sending{phase: vis.PeerPhase, host: there.Host, engine: there.Engine, verb: "sent", doing: "sending", keep: g.o.keep,
		Transfer: cli.Transfer{Voice: g.v, Progress: vis.prog, Side: "there", Act: "send", Start: start, Silent: g.o.keep,
			Host: there.Host, Platform: there.Platform}}
	if !g.o.keep {
		g.v.Sayf("to %s (%s)", there.Host, there.Engine)
	}
	rep, err := s.run(ctx, j, from, vis)
	err = from.end(ctx, g.v, err)
	if err != nil {
		var te *transfer.Error
		here := errors.As(err, &te) && te.Kind == transfer.KindEngine && !te.Remote
		return here || vis.prog.Done.Load() > 0, err
	}
	if err := g.book.Seen(vis.ID(), nil, time.Now()); err != nil {
		g.v.Warn(cli.WarnNotSaved, "%v", err)
	}
	return !rep.DryRun, nil
}

// admitted returns the job for the images that a guest asks for. It asks the user first if the
// guest is a stranger. If the guest asked for the listing, admitted sends that and returns nil.
func (g *giver) admitted(ctx context.Context, vis *guest, host string) (_ *job, err error) {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-vis.Failed():
			cancel(vis.Err())
		case <-ctx.Done():
		}
	}()
	defer func() {
		if err != nil && ctx.Err() != nil && outer.Err() == nil {
			err = context.Cause(ctx) // the guest has disconnected
		}
	}()
	q, err := vis.Wants(ctx)
	if err != nil {
		return nil, err
	}
	if g.door.Asks(vis.ID()) {
		what := "what is offered"
		if len(q.Names) > 0 {
			what = few(q.Names)
		}
		g.v.Sayf("%s (peer %s) asks for %s", host, cli.ShortID(vis.ID()), what)
	}
	vis.prog.Enter(transfer.Deciding)
	if _, err := g.door.Accept(ctx, vis.ID(), host); err != nil {
		return nil, err
	}
	vis.prog.Enter(transfer.Describing)
	j := g.j.fresh()
	if j.patterns == nil {
		if q.List {
			return nil, g.listWaiting(ctx, j, vis)
		}
		switch {
		case len(q.Names) == 0:
		case j.set != nil || j.containers != nil || j.names != nil && !j.names.Empty():
			err = &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("what is offered here goes together"),
				Hint: "imgrecv --from fetches it without naming an image"}
		case j.requests == nil: // a whole archive is offered: opening it fails if it lacks a name
			j.names = nil
			for _, name := range q.Names {
				j.requests = append(j.requests, store.Request{Image: name})
			}
		default:
			j.requests, err = wanted(j.requests, q.Names, func(text string) digest.Digest { return g.byDigest(ctx, g.j.fresh(), text) })
		}
		return j, err
	}
	c, err := j.catalog(ctx)
	if err != nil {
		return nil, err
	}
	defer c.from.Close()
	if q.List {
		listing, err := c.list(ctx, j)
		if err != nil {
			return nil, err
		}
		return nil, vis.List(ctx, listing)
	}
	j.requests, err = c.requests(ctx, j, q.Names)
	return j, err
}

// fresh returns a copy of j for one transfer. Copies can be used at the same time.
func (j *job) fresh() *job {
	c := *j
	if j.names != nil {
		c.names = j.names.Fresh()
	}
	if j.set != nil {
		c.set = &set{args: j.set.args, names: j.set.names.Fresh()}
	}
	return &c
}

// byDigest returns the ID of the offered image that text identifies by a digest, see the
// function byDigest. It returns "" if there is none.
func (g *giver) byDigest(ctx context.Context, j *job, text string) digest.Digest {
	from, err := j.origin(ctx, g.v)
	if err != nil {
		return ""
	}
	defer func() { _ = from.close(ctx) }()
	offer, err := from.Next(ctx)
	if err != nil {
		return ""
	}
	return byDigest(offer.Images, text)
}

// few joins the first four names and the number of the others.
func few(names []string) string {
	const most = 4
	if more := len(names) - most; more > 0 {
		names = append(slices.Clip(names[:most]), fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// listWaiting sends the guest the list of the images that --wait offers.
func (g *giver) listWaiting(ctx context.Context, j *job, vis *guest) (err error) {
	if j.containers != nil {
		return &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("a container is offered here, which is an image once it is fetched"),
			Hint: "imgrecv --from fetches it without --list"}
	}
	from, err := j.origin(ctx, g.v)
	if err != nil {
		return err
	}
	defer func() { err = from.end(ctx, g.v, err) }()
	offer, err := from.Next(ctx)
	if err != nil {
		return err
	}
	listing := &wire.Listing{}
	for i := range offer.Images {
		listing.Images = append(listing.Images, listed(ctx, from.Source, &offer.Images[i]))
	}
	return vis.List(ctx, listing)
}
