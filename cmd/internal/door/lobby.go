package door

import (
	"context"
	"errors"
	"sync"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
)

const (
	// lobbySize is how many visitors may wait while one is served. The lobby refuses more than
	// that as busy.
	lobbySize = 4
	// maxGreeting is how many streams may be in their greeting at the same time, including
	// those that resume a transfer. More streams wait in [peer.Host].
	maxGreeting = 8
)

// A Visitor is a peer that has been greeted and waits to be served.
type Visitor interface {
	Failed() <-chan struct{} // closed when the visitor has disconnected
	Err() error              // why it disconnected; call it after Failed is closed
	Close(error) error       // tells the visitor the error and ends its stream
	ID() peer.ID
}

// A Lobby greets visitors when they connect, so each visitor learns at once that it has to wait
// and does not time out.
type Lobby[V Visitor] struct {
	way      Way
	visitors chan V
	places   chan struct{} // holds one element for each waiting visitor
	wg       sync.WaitGroup
	err      error // why the lobby closed; set before visitors is closed
}

// OpenLobby accepts streams of host and greets them until ctx ends or the host is closed. greet
// exchanges the hello messages. It returns false if the stream resumes a transfer or has
// failed.
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

// Visitors returns the channel of visitors to serve. It is closed when the lobby closes.
func (l *Lobby[V]) Visitors() <-chan V { return l.visitors }

// Err returns why the lobby closed. Call it after the channel of [Lobby.Visitors] is closed.
func (l *Lobby[V]) Err() error { return l.err }

// seat waits until the visitor is received from the channel, disconnects, or ctx ends. It
// refuses the visitor if lobbySize visitors already wait.
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

// NextFrom returns the next visitor with this ID if one is waiting now. It closes the visitors
// that wait before it with an error: call it only if the program is about to end.
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

// Close closes all waiting visitors with an error and returns when every greeting has ended.
// The context of [OpenLobby] must have ended.
func (l *Lobby[V]) Close() {
	for vis := range l.visitors {
		_ = vis.Close(l.ended())
	}
	l.wg.Wait()
}
