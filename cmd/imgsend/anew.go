package main

import (
	"context"
	"errors"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/reach"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// maxAnew is how often one run begins a transfer again. An imgrecv that these images
// bring down, and that something starts again each time, must not go on for ever.
const maxAnew = 3

// A goneError is that of a transfer which the other host no longer knows when imgsend
// comes back to it, and where that host is now.
type goneError struct {
	error
	at peer.Target
}

func (e *goneError) Unwrap() error { return e.error }

// goneFrom returns err, with which a transfer over s has ended, as a goneError if it is one.
func goneFrom(s *peer.Stream, err error) error {
	if !errors.Is(err, wire.ErrEnded) {
		return err
	}
	return &goneError{err, peer.Target{Kind: peer.TargetPeer, ID: s.Peer(), Addr: s.RemoteAddr()}}
}

// repeats reports whether what is sent can be opened once more and is the same then: not
// a pipe, nor a container, which has gone on meanwhile.
func (j *job) repeats() bool { return j.containers == nil && j.input != "-" }

// sendAnew is send, and begins again where imgrecv has lost the transfer: mostly it was
// started anew. What the engine there has loaded is not sent again.
func sendAnew(ctx context.Context, v *cli.Voice, j *job, r *reach.Reacher, target peer.Target) error {
	for again := 0; ; again++ {
		err := send(ctx, v, j, r, target)
		var gone *goneError
		if again == maxAnew || !errors.As(err, &gone) || !j.repeats() || ctx.Err() != nil {
			return err
		}
		v.Warnf("%v: beginning again; what was loaded there stays", err)
		v.Event(cli.RetryEvent{Event: "retry", Kind: cli.RetryAnew, Message: err.Error()})
		target = gone.at
	}
}
