package main

import (
	"context"
	"errors"
	"sync"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

const (
	// lobbySize is how many senders may wait while one is served. More than that are
	// told that it is busy.
	lobbySize = 4
	// maxGreeting is how many are greeted at the same time, those among them who come
	// back when their line was lost. More than that wait at the host.
	maxGreeting = 8
)

// A visitor is a sender that has been greeted and waits for its turn.
type visitor struct {
	*wire.Receiver
	stream *peer.Stream
	prog   *transfer.Progress
	naming *cli.Naming
}

// Next returns the next offer, with the names that --as gives.
func (vis *visitor) Next(ctx context.Context) (*transfer.Offer, error) {
	offer, err := vis.Receiver.Next(ctx)
	if err != nil {
		return nil, err
	}
	if err := vis.naming.Apply(offer.Images); err != nil {
		return nil, &transfer.Error{Kind: transfer.KindRefused, Err: err}
	}
	if err := vis.naming.Unused(); err != nil {
		return nil, &transfer.Error{Kind: transfer.KindRefused, Err: err}
	}
	return offer, nil
}

// A lobby greets senders as they come, so that each hears at once that it has to
// wait and is not given up for dead.
type lobby struct {
	v        *cli.Voice
	o        options
	into     store.Store
	visitors chan *visitor
	sessions wire.Sessions
	places   chan struct{} // hold one for each that waits
	wg       sync.WaitGroup
	err      error // why nobody comes any more; set before visitors is closed
}

// openLobby greets until ctx ends or the host is closed.
func openLobby(ctx context.Context, v *cli.Voice, o options, into store.Store, host *peer.Host) *lobby {
	l := &lobby{v: v, o: o, into: into, visitors: make(chan *visitor), places: make(chan struct{}, lobbySize)}
	greeted := make(chan struct{}, maxGreeting)
	l.wg.Go(func() {
		defer close(l.visitors)
		var greeting sync.WaitGroup
		defer greeting.Wait()
		for {
			select {
			case greeted <- struct{}{}:
			case <-ctx.Done():
				l.err = ctx.Err()
				return
			}
			stream, err := host.Accept(ctx)
			if err != nil {
				l.err = err
				return
			}
			greeting.Go(func() {
				vis := l.greet(ctx, stream)
				<-greeted
				if vis != nil {
					l.seat(ctx, vis)
				}
			})
		}
	})
	return l
}

// greet says hello. It returns nil for one who goes on with a transfer, or has gone.
func (l *lobby) greet(ctx context.Context, stream *peer.Stream) *visitor {
	vis := &visitor{stream: stream, prog: &transfer.Progress{}, naming: l.o.naming}
	vis.prog.Enter(transfer.Queued)
	mine := wire.Hello{Program: "imgrecv " + cli.Version(), Host: l.o.name, Engine: l.into.String(), Platform: layout.PlatformText(l.into.Platform())}
	rcv, err := l.sessions.Receive(ctx, stream, stream.Peer().String(), mine, wire.StreamOptions{Progress: vis.prog, RetryFor: l.o.retryFor,
		OnLine: func(e wire.LineEvent) { l.v.Line(e, cli.Holding) }})
	switch {
	case err == nil:
		vis.Receiver = rcv
		l.v.Event(cli.Connected(stream.Peer(), stream.RemoteAddr(), rcv.Peer()))
		return vis
	case ctx.Err() == nil && !errors.Is(err, wire.ErrResumed):
		l.v.Sayf("peer %s: %v; still waiting", cli.ShortID(stream.Peer()), err)
	}
	return nil
}

// seat has a visitor wait until it is called in.
func (l *lobby) seat(ctx context.Context, vis *visitor) {
	select {
	case l.places <- struct{}{}:
		defer func() { <-l.places }()
	default:
		_ = vis.Close(&transfer.Error{Kind: transfer.KindRefused, Err: errors.New("too many transfers are waiting here"),
			Hint: "try again in a while"})
		return
	}
	select {
	case l.visitors <- vis:
	case <-vis.Failed():
		_ = vis.Close(vis.Err())
	case <-ctx.Done():
		_ = vis.Close(errEnded)
	}
}

// nextFrom returns the next visitor of this peer if it waits already, or nil. Those
// who wait before it are sent home: imgrecv is about to end.
func (l *lobby) nextFrom(id peer.ID) *visitor {
	for {
		select {
		case vis, ok := <-l.visitors:
			if !ok {
				return nil
			}
			if vis.stream.Peer() == id {
				return vis
			}
			_ = vis.Close(errEnded)
		default:
			return nil
		}
	}
}

var errEnded = &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("imgrecv has ended"), Hint: "start it again there, or with --keep"}

// close waits until everybody has been sent home; the context of openLobby must
// have ended.
func (l *lobby) close() {
	for vis := range l.visitors {
		_ = vis.Close(errEnded)
	}
	l.wg.Wait()
}
