package main

import (
	"context"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// lookEvery is how often watchWaiting looks.
const lookEvery = 200 * time.Millisecond

// watchWaiting watches whether the other side is busy with another transfer, or asks its
// user, and says when it is busy, and once more when that is for another reason. The
// returned function ends the watch and reports whether it was one of these; it may be
// called again.
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
		said, lost := false, false
		for ctx.Err() == nil {
			if q, queued := s.queued(); queued && (!said || lost != (q.Lost > 0)) {
				waits, said, lost = true, true, q.Lost > 0
				s.Voice.Sayf("%s; %s", s.busy(q), turn(q))
			}
			waits = waits || s.phase() == transfer.Deciding.String()
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() bool {
		cancel()
		<-done
		return waits
	}
}

// queued reports whether the other side has this one wait for its turn, and why.
func (s *sending) queued() (q wire.Queue, queued bool) {
	if s.queue == nil {
		return q, false
	}
	return s.queue()
}

// busy says what the other side does instead.
func (s *sending) busy(q wire.Queue) string {
	text := s.host + " is busy with another transfer"
	if q.Lost > 0 {
		text += ", whose line is lost: it waits up to " + cli.Duration(time.Duration(q.Lost)*time.Second) + " for that"
	}
	return text
}

// turn says when it is this one's turn.
func turn(q wire.Queue) string {
	if q.Once {
		return "it takes only one (imgrecv --keep takes more), so our turn comes only if that fails"
	}
	return "waiting for our turn"
}
