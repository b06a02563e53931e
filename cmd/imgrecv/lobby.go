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

// lobbySize is how many senders may wait while one is served. More than that
// wait at the host, or are told that it is busy.
const lobbySize = 4

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
	wg       sync.WaitGroup
	err      error // why nobody comes any more; set before visitors is closed
}

// openLobby greets until ctx ends or the host is closed.
func openLobby(ctx context.Context, v *cli.Voice, o options, into store.Store, host *peer.Host) *lobby {
	l := &lobby{v: v, o: o, into: into, visitors: make(chan *visitor)}
	places := make(chan struct{}, lobbySize+1) // one of them is being served
	l.wg.Go(func() {
		defer close(l.visitors)
		var greeting sync.WaitGroup
		defer greeting.Wait()
		for {
			select {
			case places <- struct{}{}:
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
				l.greet(ctx, stream)
				<-places
			})
		}
	})
	return l
}

// greet says hello and waits until the visitor is called in.
func (l *lobby) greet(ctx context.Context, stream *peer.Stream) {
	vis := &visitor{stream: stream, prog: &transfer.Progress{}, naming: l.o.naming}
	vis.prog.Enter(transfer.Queued)
	mine := wire.Hello{Program: "imgrecv " + cli.Version(), Host: l.o.name, Engine: l.into.String(), Platform: layout.PlatformText(l.into.Platform())}
	rcv, err := wire.NewReceiver(ctx, stream, mine, wire.StreamOptions{Progress: vis.prog})
	if err != nil {
		if ctx.Err() == nil {
			l.v.Sayf("%s: %v; still waiting", stream.Peer(), err)
		}
		return
	}
	vis.Receiver = rcv
	select {
	case l.visitors <- vis:
	case <-rcv.Failed():
		_ = rcv.Close(rcv.Err())
	case <-ctx.Done():
		_ = rcv.Close(&transfer.Error{Kind: transfer.KindRefused, Err: errors.New("imgrecv has ended"),
			Hint: "start it again there, or with --keep"})
	}
}

// close waits until everybody has been sent home; the context of openLobby must
// have ended.
func (l *lobby) close() {
	for vis := range l.visitors {
		_ = vis.Close(&transfer.Error{Kind: transfer.KindRefused, Err: errors.New("imgrecv has ended")})
	}
	l.wg.Wait()
}
