package door

import (
	"context"
	"errors"
	"sync"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
)

const (
	// lobbySize is how many visitors may wait while one is served. More than that are
	// told that it is busy.
	lobbySize = 4
	// maxGreeting is how many are greeted at the same time, those among them who come
	// back when their line was lost. More than that wait at the host.
	maxGreeting = 8
)

// A Visitor is one who has been greeted and waits for its turn.
type Visitor interface {
	Failed() <-chan struct{} // closed when it has gone
	Err() error              // why
	Close(error) error       // sends it home
	ID() peer.ID
}

// A Lobby greets visitors as they come, so that each hears at once that it has to wait
// and is not given up for dead.
type Lobby[V Visitor] struct {
	way      Way
	visitors chan V
	places   chan struct{} // hold one for each that waits
	wg       sync.WaitGroup
	err      error // why nobody comes any more; set before visitors is closed
}

// OpenLobby greets until ctx ends or the host is closed. greet says hello; it reports false for one who has come back, or
// has gone.
func OpenLobby[V Visitor](ctx context.Context, way Way, host *peer.Host, greet func(context.Context, *peer.Stream) (V, bool)) *Lobby[V] {
	l := &Lobby[V]{way: way, visitors: make(chan V), places: make(chan struct{}, lobbySize)}
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
				vis, ok := greet(ctx, stream)
				<-greeted
				if ok {
					l.seat(ctx, vis)
				}
			})
		}
	})
	return l
}

// Visitors returns where visitors come, one by one, until the lobby closes.
func (l *Lobby[V]) Visitors() <-chan V { return l.visitors }

// Err returns why nobody comes any more, once [Lobby.Visitors] is closed.
func (l *Lobby[V]) Err() error { return l.err }

// seat has a visitor wait until it is called in.
func (l *Lobby[V]) seat(ctx context.Context, vis V) {
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
		_ = vis.Close(l.ended())
	}
}

// NextFrom returns the next visitor of this peer if it waits already. Those who wait
// before it are sent home: the program is about to end.
func (l *Lobby[V]) NextFrom(id peer.ID) (next V, ok bool) {
	for {
		select {
		case vis, ok := <-l.visitors:
			if !ok || vis.ID() == id {
				return vis, ok
			}
			_ = vis.Close(l.ended())
		default:
			return next, false
		}
	}
}

func (l *Lobby[V]) ended() error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: errors.New(l.way.Program + " has ended"), Hint: "start it again there, or with --keep"}
}

// Close waits until everybody has been sent home; the context of [OpenLobby] must have
// ended.
func (l *Lobby[V]) Close() {
	for vis := range l.visitors {
		_ = vis.Close(l.ended())
	}
	l.wg.Wait()
}
