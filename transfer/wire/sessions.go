package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// ErrResumed says that a sender has come back with its transfer: the stream belongs
// to the [Receiver] of that one.
var ErrResumed = errors.New("a transfer goes on")

// Sessions are the receivers of one program. When the line of one of them breaks, its
// sender can come back to it. The zero value is ready to use.
type Sessions struct {
	mu  sync.Mutex
	all map[string]*Receiver // by session ID
}

// Receive is [NewReceiver] for a sender who may come back, and for one who does: then
// it returns [ErrResumed]. from is who the sender has proven to be; nobody else can
// go on with what it has begun.
func (x *Sessions) Receive(ctx context.Context, s Stream, from string, mine Hello, o StreamOptions) (*Receiver, error) {
	r := &Receiver{conn: newConn(s, o), from: from, sessions: x, arrivals: make(chan arrival, 1), restarts: make(chan time.Time, 1)}
	r.loads = true
	if o.RetryFor > 0 {
		mine.Session = rand.Text()
		x.add(mine.Session, r) // the sender may come back before its hello is read here
	}
	r.resume.session = mine.Session
	err := r.hello(ctx, mine)
	if err == nil {
		if r.peer.Session == "" {
			err = r.start()
		} else {
			r.leaveSessions() // it is none of its own, whatever it names
			if err = x.resume(r); err == nil {
				r.resume.end()
				return nil, ErrResumed
			}
		}
	}
	if err != nil {
		r.reject(err)
		r.leaveSessions()
		return nil, err
	}
	return r, nil
}

// resume gives the line of t, whose sender has come back, to the receiver of that
// session.
func (x *Sessions) resume(t *Receiver) error {
	x.mu.Lock()
	r := x.all[t.peer.Session]
	x.mu.Unlock()
	if r == nil || r.from != t.from || !r.take(arrival{t.line, t.peer.Received}) {
		return transfer.Broken("the transfer that was broken off has ended here")
	}
	return nil
}

// add makes r one that its sender can come back to.
func (x *Sessions) add(session string, r *Receiver) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.all == nil {
		x.all = map[string]*Receiver{}
	}
	x.all[session] = r
}

// begun tells the other receivers of r's sender that it has begun another transfer.
func (x *Sessions) begun(r *Receiver) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, other := range x.all {
		if other == r || other.from != r.from {
			continue
		}
		select {
		case <-other.restarts:
		default:
		}
		other.restarts <- time.Now() // others need x.mu to send
	}
}

func (x *Sessions) remove(r *Receiver) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.all, r.resume.session)
}

// An arrival is the line of a sender who has come back, and how many counted frames
// it has received.
type arrival struct {
	*line
	received uint64
}

// take has the reading goroutine go on with another line. It reports false if that
// has ended.
func (r *Receiver) take(a arrival) bool {
	r.mu.Lock()
	if r.life > open {
		r.mu.Unlock()
		return false
	}
	select {
	case stale := <-r.arrivals:
		defer stale.drop()
	default:
	}
	old := r.line
	if r.life == greeting {
		old = nil
	}
	r.arrivals <- a
	r.mu.Unlock()
	if old != nil {
		r.leave(old) // it is not known yet that it is broken
	}
	return true
}

// leaveSessions has nobody come back any more. r has failed or is parting.
func (r *Receiver) leaveSessions() {
	r.sessions.remove(r)
	select {
	case a := <-r.arrivals:
		a.drop()
	default:
	}
}

// patience is how long the sender is waited for: not long if the line was closed.
func (r *Receiver) patience(why *lineError) time.Duration {
	if why.silent {
		return r.resume.retry
	}
	return r.resume.graces.gone
}

// await waits for the sender to come back.
func (r *Receiver) await(ctx context.Context) (*line, uint64, error) {
	var restarted <-chan time.Time // the time for a sender that has begun anew is over
	for {
		select {
		case a := <-r.arrivals:
			b, err := marshalFrame(frameResumed, resumed{r.resume.got.Load()})
			if err == nil {
				_ = a.SetWriteDeadline(time.Now().Add(lostAfter))
				err = a.write(b, nil)
			}
			if err == nil {
				return a.line, a.received, nil
			}
			a.drop()
		case at := <-r.restarts:
			if restarted == nil && at.After(r.heard) {
				restarted = time.After(r.resume.graces.restart)
			}
		case <-restarted:
			return nil, 0, errTooLate
		case <-ctx.Done():
			return nil, 0, errTooLate
		}
	}
}
