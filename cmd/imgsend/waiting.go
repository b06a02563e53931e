package main

import (
	"context"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// lookEvery is how often watchWaiting looks.
const lookEvery = 200 * time.Millisecond

// watchWaiting watches whether the other side is busy with another transfer, or asks its
// user, and says when it is busy. The returned function ends the watch and reports whether
// it was one of these; it may be called again.
func (s *sending) watchWaiting(ctx context.Context) func() bool {
	if s.phase == nil {
		return func() bool { return false }
	}
	ctx, cancel := context.WithCancel(ctx)
	waits := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for ctx.Err() == nil && !s.queued() {
			waits = waits || s.phase() == transfer.Deciding.String()
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
		if s.queued() {
			waits = true
			s.Voice.Sayf("%s is busy with another transfer; waiting for our turn", s.host)
		}
	}()
	return func() bool {
		cancel()
		<-done
		return waits
	}
}
