package main

import (
	"context"
	"errors"
	"sync"

	"github.com/imgsend/imgsend/cmd/internal/door"
)

// maxHeld is how many transfers may go on besides the one whose turn it is, as their lines
// were lost. Each has the memory and the load in the engine that any transfer has.
const maxHeld = 4

// keep serves visitors until ctx ends or nobody comes any more. It is the turn of one
// after the other. A transfer whose line is lost passes its turn on and is held; when its
// sender is back it goes on at once, beside the one whose turn it is by then: an engine
// takes several loads, and nobody has to wait who was being served. While maxHeld
// transfers have passed their turn on and have not ended, the next one keeps its turn.
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

// serveKept serves a visitor and says how that has ended.
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
