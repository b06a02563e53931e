package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// A visitor is a sender that has been greeted and waits to be served.
type visitor struct {
	renamed
	stream *peer.Stream
	prog   *transfer.Progress
	lost   chan struct{} // holds one element while the connection is lost, until keep takes it
	heldTo atomic.Int64  // end of the wait for a lost connection, in Unix nanoseconds; 0: not lost
}

// ID returns the ID of the sender.
func (vis *visitor) ID() peer.ID { return vis.stream.Peer() }

// A renamed receiver sets the names of --as in the offer.
type renamed struct {
	*wire.Receiver
	naming *cli.Naming
}

// Next returns the sender's offer with the names of --as.
func (r *renamed) Next(ctx context.Context) (*transfer.Offer, error) {
	offer, err := r.Receiver.Next(ctx)
	if err != nil {
		return nil, err
	}
	return offer, rename(r.naming, offer)
}

// rename sets the names of --as in the images of an offer.
func rename(naming *cli.Naming, offer *transfer.Offer) error {
	if err := errors.Join(naming.Apply(offer.Images), naming.Unused()); err != nil {
		return &transfer.Error{Kind: transfer.KindRefused, Err: err}
	}
	return nil
}

// greet exchanges the hello messages. It returns false if the sender resumes a transfer or has
// disconnected.
func (r *receiver) greet(ctx context.Context, stream *peer.Stream) (*visitor, bool) {
	vis := &visitor{stream: stream, prog: &transfer.Progress{}, renamed: renamed{naming: r.o.naming.Fresh()}, lost: make(chan struct{}, 1)}
	vis.prog.Enter(transfer.Queued)
	mine := wire.Hello{Program: "imgrecv " + cli.Version(), Host: r.o.name, Engine: r.into.String(), Platform: layout.PlatformText(r.into.Platform())}
	rcv, err := r.sessions.Receive(ctx, stream, stream.Peer().String(), mine, wire.StreamOptions{Progress: vis.prog, RetryFor: r.o.retryFor, Queue: r.queue,
		OnLine: func(e wire.LineEvent) { r.lineOf(vis, e) }})
	switch {
	case err == nil:
		vis.Receiver = rcv
		r.v.Event(cli.Connected(stream.Peer(), stream.RemoteAddr(), rcv.Peer()))
		return vis, true
	case ctx.Err() == nil && !errors.Is(err, wire.ErrResumed):
		r.v.Sayf("peer %s: %v; still waiting", cli.ShortID(stream.Peer()), err)
	}
	return nil, false
}

// queue returns what a sender that has to wait is told: whether imgrecv ends after the current
// transfer, and for how many seconds it holds a lost connection.
func (r *receiver) queue() wire.Queue {
	q := wire.Queue{Once: !r.o.keep}
	if vis := r.turn.Load(); vis != nil {
		if to := vis.heldTo.Load(); to != 0 {
			q.Lost = max(1, int(time.Until(time.Unix(0, to)).Seconds()))
		}
	}
	return q
}

// lineOf handles an event of a visitor's connection: lost or restored.
func (r *receiver) lineOf(vis *visitor, e wire.LineEvent) {
	r.v.Line(e, cli.Holding, r.sender(vis))
	select {
	case <-vis.lost:
	default:
	}
	vis.heldTo.Store(0)
	if e.Err != nil {
		vis.heldTo.Store(time.Now().Add(e.For).UnixNano())
		vis.lost <- struct{}{} // does not block: only this method sends, and it has emptied the channel
	}
}
