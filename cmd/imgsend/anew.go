package main

import (
	"context"
	"errors"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/reach"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// maxAnew is how often one run restarts a transfer. It ends the loop in which these images
// crash imgrecv and a supervisor restarts it each time.
const maxAnew = 3

// A goneError is the error of a transfer that the other host does not know when imgsend
// reconnects. at is the current target of that host.
type goneError struct {
	error
	at peer.Target
}

func (e *goneError) Unwrap() error { return e.error }

// goneFrom returns err, the error of a transfer over s, as a goneError if it wraps
// [wire.ErrEnded], and unchanged otherwise.
func goneFrom(s *peer.Stream, err error) error {
	if !errors.Is(err, wire.ErrEnded) {
		return err
	}
	return &goneError{err, peer.Target{Kind: peer.TargetPeer, ID: s.Peer(), Addr: s.RemoteAddr()}}
}

// repeats reports whether the images can be opened again with the same content. A pipe cannot
// be read again, and a container may have changed.
func (j *job) repeats() bool { return j.containers == nil && j.input != "-" }

// sendAnew calls send, and restarts the transfer if imgrecv does not know it any more, which
// usually means that imgrecv was restarted. Images that the engine there has loaded are not
// sent again.
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
