package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/door"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// A receiver waits for senders and receives their images.
type receiver struct {
	v    *cli.Voice
	o    options
	into store.Target
	door *door.Door
	book *peer.Book

	sessions wire.Sessions
	turn     atomic.Pointer[visitor] // the visitor that is served; nil if none is
}

// run serves visitors until one transfer has succeeded or failed; with --keep, until ctx ends.
func (r *receiver) run(ctx context.Context, host *peer.Host) error {
	inside, cancel := context.WithCancel(ctx)
	l := door.OpenLobby(inside, door.Send, host, r.greet)
	defer l.Close()
	defer cancel()
	if r.o.keep {
		return r.keep(ctx, l)
	}
	return r.wait(ctx, l)
}

// wait serves visitors one after the other until one transfer has succeeded or failed. These do
// not count as a transfer:
//
//   - a visitor that disconnects before it has made an offer;
//   - a dry run;
//   - a stranger that disconnects before the user has answered.
//
// If waitsAgain is true, a transfer whose connection broke is the result only if its sender
// does not reconnect within --retry-for.
func (r *receiver) wait(ctx context.Context, l *door.Lobby[*visitor]) error {
	var last *broken
	var tooLate <-chan time.Time
	for {
		select {
		case <-tooLate:
			return last.err
		case vis, ok := <-l.Visitors():
			if !ok && last != nil {
				return last.err
			}
			if !ok {
				return l.Err()
			}
			vis, counts, err := r.serveAnew(ctx, l, vis)
			switch {
			case !counts && ctx.Err() != nil:
				continue // the lobby closes
			case !counts:
				r.stillWaiting(vis, err)
			case last != nil && last.known && vis.stream.Peer() != last.from && ctx.Err() == nil:
				if err != nil {
					r.failed(vis, err)
				}
				r.v.Sayf("still waiting for the sender of what has broken")
			case r.waitsAgain() && ctx.Err() == nil && cli.ExitCode(err) == cli.ExitBroken:
				last = &broken{&cli.StandingError{Err: err}, vis.stream.Peer(), !r.o.yes && r.door.Knows(vis.stream.Peer())}
				tooLate = time.After(r.o.retryFor)
				r.v.Warnf("from %s: %v", r.book.Called(vis.ID()), err)
				r.v.Sayf("waiting for %s more for the sender to try again; Ctrl-C ends that", cli.Duration(r.o.retryFor))
				r.v.Event(cli.RetryEvent{Event: "retry", From: vis.ID().String(), Kind: cli.RetryWait, Message: err.Error(), Seconds: r.o.retryFor.Seconds()})
			default: // also if it succeeded just before an interrupt
				return err
			}
		}
	}
}

// serveAnew serves a visitor. If the transfer breaks, wait does not wait again, and the same
// sender has already started a new transfer that waits in the lobby, serveAnew serves that one
// instead. It returns the visitor whose result counts.
func (r *receiver) serveAnew(ctx context.Context, l *door.Lobby[*visitor], vis *visitor) (last *visitor, counts bool, err error) {
	defer r.turn.Store(nil)
	r.turn.Store(vis)
	counts, err = r.serve(ctx, vis)
	for counts && !r.waitsAgain() && r.startsOver() && ctx.Err() == nil && cli.ExitCode(err) == cli.ExitBroken {
		next, ok := l.NextFrom(vis.ID())
		if !ok {
			break
		}
		r.failed(vis, err)
		r.turn.Store(next)
		again, nextErr := r.serve(ctx, next)
		if again {
			vis, err = next, nextErr
		}
	}
	return vis, counts, err
}

// A broken transfer is one whose sender may reconnect.
type broken struct {
	err   error
	from  peer.ID
	known bool // the sender is saved or allowed; a stranger may reconnect with another ID
}

// waitsAgain reports whether imgrecv continues to wait after a transfer broke: on a terminal,
// where the user would only start imgrecv again.
func (r *receiver) waitsAgain() bool {
	return r.startsOver() && r.o.retryFor > 0 && (r.o.waitAgain || r.door.Terminal())
}

// sender returns the ID and the name of a visitor for messages.
func (r *receiver) sender(vis *visitor) cli.Sender {
	return cli.Sender{ID: vis.ID().String(), Name: r.book.Called(vis.ID())}
}

// stillWaiting prints why a visitor that does not count has disconnected.
func (r *receiver) stillWaiting(vis *visitor, err error) {
	if err != nil {
		r.v.Sayf("%s: %v; still waiting", r.book.Called(vis.ID()), err)
	}
}

// failed warns about a transfer that failed while imgrecv continues to wait.
func (r *receiver) failed(vis *visitor, err error) {
	message := fmt.Sprintf("from %s: %v", r.book.Called(vis.ID()), err)
	r.v.Warnf("%s", message)
	r.v.Event(cli.WarningEvent{Event: "warning", From: vis.ID().String(), Code: cli.WarnFailed, Message: message})
}

// serve runs one transfer. counts is true if this was a transfer, see wait.
func (r *receiver) serve(ctx context.Context, vis *visitor) (counts bool, err error) {
	s := &serving{receiver: r, vis: vis, there: vis.Peer()}
	if s.there.Host == "" {
		s.there.Host = "unknown host"
	}
	s.Transfer = cli.Transfer{Voice: r.v, Progress: vis.prog, Side: "here", Act: "receive", Words: s.words, Start: time.Now(), Silent: r.o.keep && !r.v.Terminal()}
	s.From = r.sender(vis)
	if !r.o.keep {
		s.From.Name = "" // there is only one sender
	}
	into, sink, err := r.open(ctx)
	if err != nil {
		_ = vis.Close(err)
		return true, err
	}
	if into != r.into {
		defer into.Close()
	}
	rep, err := s.Copy(ctx, vis, sink, transfer.Options{Accept: s.accept, MaxSize: r.o.maxSize(into), Patience: r.o.patience, PatientSink: !r.startsOver()})
	if err != nil {
		return s.counts, err
	}
	if err := r.book.Seen(vis.stream.Peer(), nil, time.Now()); err != nil {
		r.v.Warn(cli.WarnNotSaved, "%v", err)
	}
	if rep.DryRun {
		r.v.Sayf("%s made a dry run: nothing was sent, still waiting", s.there.Host)
		return false, nil
	}
	done := s.Done(rep, "received")
	if rep.Untold != nil {
		r.v.Warnf("warning: %s could not be told that everything arrived: %v", r.book.Called(vis.ID()), rep.Untold)
	}
	r.v.Sayf("%s", done)
	return true, nil
}

// openTime is how long the engine may take to become ready for a transfer.
const openTime = time.Minute

// open returns the store and the sink for a transfer. With --keep it opens the store again for
// each transfer, because the engine may have been restarted or updated; the caller closes it.
func (r *receiver) open(ctx context.Context) (into store.Target, sink transfer.Sink, err error) {
	limited, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	into = r.into
	if r.o.keep {
		into, err = engine.Open(limited, r.o.address())
	}
	if err == nil {
		if sink, err = into.Sink(limited, r.o.sinkOptions()); err != nil && into != r.into {
			_ = into.Close()
		}
	}
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("the engine has not answered for %s", cli.Duration(openTime))}
	}
	return into, sink, err
}

// serving is one transfer from a sender. With --keep it prints one line when it ends.
type serving struct {
	*receiver
	cli.Transfer
	vis    *visitor
	there  wire.Hello
	counts bool // this is a transfer, see receiver.wait
}

func (s *serving) accept(ctx context.Context, o *transfer.Offer) error {
	from := s.vis.stream.Peer()
	s.v.Event(cli.OfferEvent{Event: "offer", From: from.String(), Host: s.there.Host, Images: cli.Plans(o, nil)})
	if o.DryRun && !s.door.Knows(from) {
		return s.door.RefusedDryRun(from)
	}
	asks := s.door.Asks(from)
	s.counts = !o.DryRun && !asks
	if !s.o.keep || asks {
		s.show(o)
	}
	if err := allowedNames(s.o.allowNames, o); err != nil {
		return err
	}
	decided, err := s.door.Accept(ctx, from, s.there.Host)
	s.counts = !o.DryRun && decided
	s.Start = time.Now()
	return err
}

// show prints the sender and its offer.
func (s *serving) show(o *transfer.Offer) {
	s.v.Sayf("%s (peer %s) offers:", s.there.Host, cli.ShortID(s.vis.stream.Peer()))
	for i := range o.Images {
		m := &o.Images[i]
		s.v.Sayf("  %s, %s, %s, about %s", cli.Title(m), layout.PlatformText(m.Platform), cli.Count(len(m.Layers), "layer"), cli.Bytes(m.Size()))
	}
	for _, note := range cli.ForeignPlatforms(o, "this engine", layout.PlatformText(s.into.Platform())) {
		s.v.Note(cli.NotePlatform, "%s", note)
	}
}

func (s *serving) words(p transfer.Phase) string {
	switch p {
	case transfer.Asking, transfer.Exporting:
		return fmt.Sprintf("waiting for %s to export", s.there.Host)
	case transfer.Moving:
		return "receiving"
	case transfer.Loading:
		return loading
	}
	return p.String()
}

// allowedNames returns an error if the offer has a name that matches no pattern. Without
// patterns it accepts all names.
func allowedNames(patterns []string, o *transfer.Offer) error {
	if len(patterns) == 0 {
		return nil
	}
	for i := range o.Images {
		m := &o.Images[i]
		if len(m.Refs) == 0 {
			return &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("images without a name are not accepted here")}
		}
		for _, ref := range m.Refs {
			if !store.Matches(patterns, ref) {
				return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("the name %s is not accepted here", ref)}
			}
		}
	}
	return nil
}
