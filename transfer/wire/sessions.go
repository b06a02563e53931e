package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// ErrResumed says that a peer has come back with its transfer: the stream belongs to
// the [Receiver] or the [Sender] of that one.
var ErrResumed = errors.New("a transfer goes on")

// Sessions are the transfers of one program that its peers have begun by dialing it.
// When the line of one of them breaks, its peer can come back to it. The zero value is
// ready to use.
type Sessions struct {
	mu  sync.Mutex
	all map[string]*conn // by session ID
}

// Receive is [NewReceiver] for a sender who may come back, and for one who does: then
// it returns [ErrResumed]. from is who the sender has proven to be; nobody else can
// go on with what it has begun.
func (x *Sessions) Receive(ctx context.Context, s Stream, from string, mine Hello, o StreamOptions) (*Receiver, error) {
	r := newReceiver(s, o)
	if err := x.answer(ctx, r.conn, from, mine, o.RetryFor > 0, r.start); err != nil {
		return nil, err
	}
	return r, nil
}

// Send greets a receiver who has dialed this host to fetch images, see [NewFetcher]. It
// is to such receivers what Receive is to senders: they may come back. [Sender.Wants] says what
// the receiver asks for.
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

// answer greets a peer who has dialed, and either starts c or gives its line to the
// transfer that the peer comes back to. If it fails, or returns ErrResumed, c is of no
// more use.
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
		c.leaveSessions() // it is none of its own, whatever it names
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

// resume gives the line of t, whose peer has come back, to the transfer of that
// session.
func (x *Sessions) resume(t *conn) error {
	x.mu.Lock()
	c := x.all[t.peer.Session]
	x.mu.Unlock()
	if c == nil || c.guest.from != t.guest.from || c.loads != t.loads || !c.take(arrival{t.line, t.peer.Received}) {
		return transfer.Broken("the transfer that was broken off has ended here")
	}
	return nil
}

// add makes c one that its peer can come back to.
func (x *Sessions) add(session string, c *conn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		x.all = map[string]*conn{}
	}
	x.all[session] = c
}

// begun tells the other transfers of c's peer that it has begun another one.
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
		other.guest.restarts <- time.Now() // others need x.mu to send
	}
}

func (x *Sessions) remove(c *conn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.all, c.resume.session)
}

// A guest is the peer at the other end of a conn that it has dialed: it is the one who
// comes back.
type guest struct {
	from     string // who it has proven to be
	sessions *Sessions
	arrivals chan arrival   // holds one when it has come back
	restarts chan time.Time // holds the last time that it has begun another transfer
}

// An arrival is the line of a peer who has come back, and how many counted frames
// it has received.
type arrival struct {
	*line
	received uint64
}

// take has the reading goroutine go on with another line. It reports false if that
// has ended.
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
		c.leave(old) // it is not known yet that it is broken
	}
	return true
}

// leaveSessions has nobody come back any more. c has failed or is parting. It does
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

// gonePatience is how long the peer is waited for: not long if the line was closed.
func (c *conn) gonePatience(why *lineError) time.Duration {
	if why.silent {
		return c.resume.retry
	}
	return c.resume.graces.gone
}

// await waits for the peer to come back.
func (c *conn) await(ctx context.Context) (*line, uint64, error) {
	var restarted <-chan time.Time // the time for a peer that has begun anew is over
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
