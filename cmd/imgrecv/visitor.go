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

// A visitor is a sender that has been greeted and waits for its turn.
type visitor struct {
	renamed
	stream *peer.Stream
	prog   *transfer.Progress
	lost   chan struct{} // holds one while the line is lost, until somebody takes it
	heldTo atomic.Int64  // until when that is waited for, in nanoseconds of Unix time; 0: it is not lost
}

// ID returns who the visitor is.
func (vis *visitor) ID() peer.ID { return vis.stream.Peer() }

// A renamed receiver gives images the names of --as.
type renamed struct {
	*wire.Receiver
	naming *cli.Naming
}

// Next returns the next offer, with the names that --as gives.
func (r *renamed) Next(ctx context.Context) (*transfer.Offer, error) {
	offer, err := r.Receiver.Next(ctx)
	if err != nil {
		return nil, err
	}
	return offer, rename(r.naming, offer)
}

// rename gives the images of an offer the names of --as.
func rename(naming *cli.Naming, offer *transfer.Offer) error {
	if err := errors.Join(naming.Apply(offer.Images), naming.Unused()); err != nil {
		return &transfer.Error{Kind: transfer.KindRefused, Err: err}
	}
	return nil
}

// greet says hello. It reports false for one who goes on with a transfer, or has gone.
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

// queue says what the next one has to wait for.
func (r *receiver) queue() wire.Queue {
	q := wire.Queue{Once: !r.o.keep}
	if vis := r.turn.Load(); vis != nil {
		if to := vis.heldTo.Load(); to != 0 {
			q.Lost = max(1, int(time.Until(time.Unix(0, to)).Seconds()))
		}
	}
	return q
}

// lineOf tells of a visitor's line, which is lost or back.
func (r *receiver) lineOf(vis *visitor, e wire.LineEvent) {
	r.v.Line(e, cli.Holding, r.sender(vis))
	select {
	case <-vis.lost:
	default:
	}
	vis.heldTo.Store(0)
	if e.Err != nil {
		vis.heldTo.Store(time.Now().Add(e.For).UnixNano())
		vis.lost <- struct{}{} // there is room: nobody else sends
	}
}
