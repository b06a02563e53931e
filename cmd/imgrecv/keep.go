package main

import (
	"context"
	"errors"
	"sync"

	"github.com/imgsend/imgsend/cmd/internal/door"
)

// maxHeld is how many transfers may exist besides the current one after their connections were
// lost. Each uses the memory and the engine load of a whole transfer.
const maxHeld = 4

// keep serves visitors one at a time until ctx ends or the lobby closes. If the connection of a
// transfer is lost, keep starts the next visitor while the first one is held. When the sender
// of a held transfer reconnects, the transfer resumes at once, at the same time as the current
// one. If maxHeld transfers are held or have resumed, keep waits for the current one even if
// its connection is lost.
func (r *receiver) keep(ctx context.Context, l *door.Lobby[*visitor]) error {
	var transfers sync.WaitGroup
	defer transfers.Wait()
	held := make(chan struct{}, maxHeld)
	for vis := range l.Visitors() {
		r.turn.Store(vis)
		ended := make(chan struct{})
		transfers.Go(func() {
			defer close(ended)
			r.serveKept(ctx, vis)
		})
		select {
		case <-ended:
			continue
		case <-vis.lost:
		}
		select {
		case <-ended:
		case held <- struct{}{}:
			transfers.Go(func() {
				<-ended
				<-held
			})
		}
	}
	return l.Err()
}

// serveKept serves a visitor and prints the result.
func (r *receiver) serveKept(ctx context.Context, vis *visitor) {
	counts, err := r.serve(ctx, vis)
	switch {
	case !counts && ctx.Err() == nil:
		r.stillWaiting(vis, err)
	case counts && err != nil && ctx.Err() != nil:
		r.failed(vis, errors.New("interrupted"))
	case counts && err != nil:
		r.failed(vis, err)
	}
}
