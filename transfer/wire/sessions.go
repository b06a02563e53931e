package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// ErrResumed means that the peer has resumed an earlier transfer. The stream now belongs
// to the [Receiver] or [Sender] of that transfer.
var ErrResumed = errors.New("a transfer goes on")

// Sessions holds the transfers of a program that its peers began by dialing it. When a
// stream breaks, the peer can dial again and resume its transfer. The zero value is ready
// to use. It is safe for concurrent use.
type Sessions struct {
	mu  sync.Mutex
	all map[string]*conn // by session ID
}

// Receive is like [NewReceiver] for a sender that can resume. If the sender resumes an
// earlier transfer over s, Receive returns [ErrResumed]. from is the authenticated
// identity of the sender. Only a peer with the same identity can resume the transfer.
func (x *Sessions) Receive(ctx context.Context, s Stream, from string, mine Hello, o StreamOptions) (*Receiver, error) {
	r := newReceiver(s, o)
	if err := x.answer(ctx, r.conn, from, mine, o.RetryFor > 0, r.start); err != nil {
		return nil, err
	}
	return r, nil
}

// Send exchanges hellos with a receiver that dialed to fetch images, see [NewFetcher]. As
// with Receive, the receiver can resume, from is its authenticated identity, and the
// Sender owns s. [Sender.Wants] returns the receiver's request.
func (x *Sessions) Send(ctx context.Context, s Stream, from string, mine Hello, o StreamOptions) (*Sender, error) {
	snd := newSender(s, o)
	snd.listens = true
	snd.turn.Store(uint32(frameWant))
	start := func() error {
		snd.resume.over = snd.over
		snd.start(o)
		return nil
	}
	if err := x.answer(ctx, snd.conn, from, mine, o.RetryFor > 0, start); err != nil {
		return nil, err
	}
	return snd, nil
}

// answer exchanges hellos with a peer that dialed. It either starts c, or passes c's line
// to the transfer that the peer resumes and returns ErrResumed. If it returns an error,
// the caller must not use c.
func (x *Sessions) answer(ctx context.Context, c *conn, from string, mine Hello, resumes bool, start func() error) error {
	c.guest = &guest{from: from, sessions: x, arrivals: make(chan arrival, 1), restarts: make(chan time.Time, 1)}
	if resumes {
		mine.Session = rand.Text()
		x.add(mine.Session, c) // the peer may come back before its hello is read here
	}
	c.resume.session = mine.Session
	err := c.hello(ctx, mine)
	switch {
	case err != nil:
	case c.peer.Session == "":
		if c.resume.on = c.has(featureResume); c.resume.on {
			c.agreeRetry()
			c.resume.nextLine, c.resume.patience = c.await, c.gonePatience
		}
		x.begun(c)
		err = start()
	default:
		c.leaveSessions() // so that the peer cannot resume c itself
		if err = x.resume(c); err == nil {
			c.resume.end()
			return ErrResumed
		}
	}
	if err != nil {
		c.reject(err)
		c.leaveSessions()
	}
	return err
}

// resume passes the line of t to the transfer whose session the peer names. It fails if
// there is no such transfer of this peer.
func (x *Sessions) resume(t *conn) error {
	x.mu.Lock()
	c := x.all[t.peer.Session]
	x.mu.Unlock()
	if c == nil || c.guest.from != t.guest.from || c.loads != t.loads || !c.take(arrival{t.line, t.peer.Received}) {
		return transfer.Broken("the transfer that was broken off has ended here")
	}
	return nil
}

// add registers c under its session ID, so that its peer can resume it.
func (x *Sessions) add(session string, c *conn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		x.all = map[string]*conn{}
	}
	x.all[session] = c
}

// begun tells the other transfers of c's peer that the peer has begun a new one, c.
func (x *Sessions) begun(c *conn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, other := range x.all {
		if other == c || other.guest.from != c.guest.from {
			continue
		}
		select {
		case <-other.guest.restarts:
		default:
		}
		other.guest.restarts <- time.Now() // has room: all senders hold x.mu
	}
}

func (x *Sessions) remove(c *conn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.all, c.resume.session)
}

// A guest describes the peer of a conn that the peer dialed. After a break, the peer dials
// again.
type guest struct {
	from     string // authenticated identity of the peer
	sessions *Sessions
	arrivals chan arrival   // holds the latest line over which the peer resumes
	restarts chan time.Time // holds the last time at which the peer began another transfer
}

// An arrival is the line over which a peer resumes, and the number of counted frames that
// the peer has received.
type arrival struct {
	*line
	received uint64
}

// take passes another line to the reading goroutine. It reports false if the transfer has
// ended.
func (c *conn) take(a arrival) bool {
	c.mu.Lock()
	if c.life > open {
		c.mu.Unlock()
		return false
	}
	select {
	case stale := <-c.guest.arrivals:
		defer stale.drop()
	default:
	}
	old := c.line
	if c.life == greeting {
		old = nil
	}
	c.guest.arrivals <- a
	c.mu.Unlock()
	if old != nil {
		c.leave(old) // this side may not have noticed that it is broken
	}
	return true
}

// leaveSessions removes c from its Sessions, so that its peer cannot resume it. It does
// nothing at the end that dialed.
func (c *conn) leaveSessions() {
	if c.guest == nil {
		return
	}
	c.guest.sessions.remove(c)
	select {
	case a := <-c.guest.arrivals:
		a.drop()
	default:
	}
}

// gonePatience returns how long to wait for the peer: retry after silence, and graces.gone
// if the line failed.
func (c *conn) gonePatience(why *lineError) time.Duration {
	if why.silent {
		return c.resume.retry
	}
	return c.resume.graces.gone
}

// await waits for the peer to resume over another line and answers its hello. Its error is
// errTooLate.
func (c *conn) await(ctx context.Context) (*line, uint64, error) {
	var restarted <-chan time.Time // fires graces.restart after the peer began another transfer
	for {
		select {
		case a := <-c.guest.arrivals:
			b, err := marshalFrame(frameResumed, resumed{c.resume.got.Load()})
			if err == nil {
				_ = a.SetWriteDeadline(time.Now().Add(lostAfter))
				err = a.write(b, nil)
			}
			if err == nil {
				return a.line, a.received, nil
			}
			a.drop()
		case at := <-c.guest.restarts:
			if restarted == nil && at.After(c.heard) {
				restarted = time.After(c.resume.graces.restart)
			}
		case <-restarted:
			return nil, 0, errTooLate
		case <-ctx.Done():
			return nil, 0, errTooLate
		}
	}
}
