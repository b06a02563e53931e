package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/reach"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// A fetching fetches images from a host that this program dials.
type fetching struct {
	v     *cli.Voice
	o     options
	reach *reach.Reacher
}

// fetch dials the host of --from, and fetches images or lists what is offered there.
func fetch(ctx context.Context, v *cli.Voice, o options, home string, book *peer.Book) error {
	v.Waiting = reach.From.Waiting
	target, err := reach.From.Target(ctx, v, o.from)
	if err != nil {
		return err
	}
	key, err := peer.LoadIdentity(home)
	if err != nil {
		return err
	}
	f := &fetching{v: v, o: o, reach: &reach.Reacher{Way: reach.From, Voice: v, Key: key, Book: book, Me: o.name, Remember: !o.noRemember}}
	if o.list {
		return f.list(ctx, target)
	}
	return f.run(ctx, target)
}

// dial connects to the host and sends the request for images.
func (f *fetching) dial(ctx context.Context, target peer.Target, mine wire.Hello, prog *transfer.Progress) (*wire.Receiver, error) {
	stream, err := f.reach.Reach(ctx, target)
	if err != nil {
		return nil, err
	}
	mine.Program, mine.Host = "imgrecv "+cli.Version(), f.o.name
	rcv, err := wire.NewFetcher(ctx, stream, mine, wire.Request{Names: f.o.images, List: f.o.list}, wire.StreamOptions{Progress: prog,
		RetryFor: f.o.retryFor, OnLine: func(e wire.LineEvent) { f.v.Line(e, cli.Redialing, cli.Sender{}) },
		Redial: func(ctx context.Context) (wire.Stream, error) {
			next, err := f.reach.Redial(ctx, stream)
			if err != nil {
				return nil, err
			}
			stream = next
			return next, nil
		}})
	if err == nil {
		f.v.Event(cli.Connected(stream.Peer(), stream.RemoteAddr(), rcv.Peer()))
	}
	return rcv, err
}

// run fetches the images into the store or the archive.
func (f *fetching) run(ctx context.Context, target peer.Target) error {
	into, err := f.o.target(ctx, f.v)
	if err != nil {
		return err
	}
	defer into.Close()
	cli.SayStore(f.v, "into", into)
	sink, err := into.Sink(ctx, f.o.sinkOptions())
	if err != nil {
		return err
	}
	prog := &transfer.Progress{}
	rcv, err := f.dial(ctx, target, wire.Hello{Engine: into.String(), Platform: layout.PlatformText(into.Platform())}, prog)
	if err != nil {
		return errors.Join(err, sink.Close(err))
	}
	there := rcv.Peer()
	if there.Host == "" {
		there.Host = "the other side"
	}
	f.v.Sayf("from %s (%s)", there.Host, there.Engine)
	t := &cli.Transfer{Voice: f.v, Progress: prog, Side: "here", Act: "fetch", Table: f.o.dryRun, Start: time.Now(),
		Words: func(p transfer.Phase) string { return f.words(p, rcv, there.Host) }, Host: "this engine", Platform: layout.PlatformText(into.Platform())}
	t.StartMeter()
	rep, err := t.Copy(ctx, &fetched{order{Receiver: rcv, asked: f.o.images}, f.o.naming.Fresh()}, sink, transfer.Options{DryRun: f.o.dryRun, MaxSize: f.o.maxSize(into), Patience: f.o.patience, PatientSink: inPlace(into),
		Accept: func(_ context.Context, o *transfer.Offer) error {
			t.Start = time.Now() // do not count the time that the users took to accept
			return allowedNames(f.o.allowNames, o)
		}})
	if err != nil {
		return err
	}
	line := t.Done(rep, "fetched")
	if rep.DryRun {
		f.v.Sayf("dry run: nothing was fetched")
		return nil
	}
	if rep.Untold != nil {
		f.v.Warnf("warning: %s could not be told that everything arrived: %v", there.Host, rep.Untold)
	}
	f.v.Sayf("%s", line)
	return nil
}

func (f *fetching) words(p transfer.Phase, rcv *wire.Receiver, host string) string {
	switch p {
	case transfer.Describing:
		switch rcv.PeerPhase() {
		case transfer.Queued.String():
			return "waiting: " + host + " is busy with another transfer"
		case transfer.Deciding.String():
			return "waiting for " + host + " to accept"
		}
		return "waiting for " + host + " to look for the images"
	case transfer.Asking, transfer.Exporting:
		return fmt.Sprintf("waiting for %s to export", host)
	case transfer.Moving:
		return "receiving"
	case transfer.Loading:
		return loading
	}
	return p.String()
}

// fetched is an order that sets the names of --as in the offer.
type fetched struct {
	order
	naming *cli.Naming
}

// Next returns the sender's offer with the names of --as.
func (r *fetched) Next(ctx context.Context) (*transfer.Offer, error) {
	offer, err := r.order.Next(ctx)
	if err != nil {
		return nil, err
	}
	return offer, rename(r.naming, offer)
}

// list prints the images that are offered.
func (f *fetching) list(ctx context.Context, target peer.Target) error {
	rcv, err := f.dial(ctx, target, wire.Hello{}, &transfer.Progress{})
	if err != nil {
		return err
	}
	looking := f.v.Working("waiting for " + cmp.Or(rcv.Peer().Host, "the other side"))
	listing, err := rcv.Listing(ctx)
	looking()
	if err = errors.Join(err, rcv.Close(err)); err != nil {
		return err
	}
	for i := range listing.Images {
		f.v.Event(offered(&listing.Images[i]))
	}
	f.v.Print("%s", listingTable(listing, time.Now()))
	if len(listing.Images) == 0 {
		f.v.Sayf("nothing is offered there now")
	}
	return nil
}

// offered returns the JSON event for an image of a listing.
func offered(m *wire.Listed) cli.OfferedEvent {
	e := cli.OfferedEvent{Event: "offered", ID: m.ID.String(), Names: append([]string{}, m.Names...), Bytes: m.Size, Platform: layout.PlatformText(m.Platform)}
	if !m.Created.IsZero() {
		e.Created = &m.Created
	}
	return e
}

// listingTable returns a listing as a table with one line for each name.
func listingTable(l *wire.Listing, now time.Time) string {
	if len(l.Images) == 0 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "NAME\tSIZE\tPLATFORM\tCREATED\tID\n")
	for i := range l.Images {
		m := &l.Images[i]
		created := "-"
		if !m.Created.IsZero() {
			created = units.HumanDuration(now.Sub(m.Created)) + " ago"
		}
		names := m.Names
		if len(names) == 0 {
			names = []string{"-"}
		}
		for _, name := range names {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", name, cli.Bytes(m.Size), layout.PlatformText(m.Platform), created, m.ID.Encoded()[:12])
		}
	}
	_ = w.Flush() // cannot fail: it writes to memory
	return b.String()
}
