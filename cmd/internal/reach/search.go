package reach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	ma "github.com/multiformats/go-multiaddr"
)

// Anybody on a local network can announce addresses under any name, so these
// bound what announcements can make this program do.
const (
	maxTried   = 32 // addresses that are dialed, announced ones and saved ones together
	maxDialing = 8  // of them at the same time
	maxShown   = 4  // of them in one message
)

// How long one attempt to reach a peer again takes, and how long its announcement is
// waited for where it does not answer.
const (
	giveUpAgain  = 6 * time.Second
	announceTime = time.Second
)

// A search is the attempts to reach one saved peer.
type search struct {
	*Reacher
	peer    peer.Peer
	browser *lan.Browser // nil if there is no multicast DNS here
	results chan attempt
	known   []string       // addresses, queued, dialed or done
	queue   []ma.Multiaddr // to be dialed when fewer than maxDialing are
	dialing []string
	failed  []attempt
	heard   []ma.Multiaddr // where the peer announces itself, up to maxTried
}

// An attempt is one address that was dialed.
type attempt struct {
	addr   ma.Multiaddr
	stream *peer.Stream
	err    error
}

// search connects to a saved peer where it was last, and where it announces
// itself.
func (r *Reacher) search(ctx context.Context, p peer.Peer) (*peer.Stream, error) {
	return (&search{Reacher: r, peer: p, results: make(chan attempt)}).run(ctx)
}

// Redial connects to the peer of a stream that has broken: where it was, and wherever
// else it may be by now.
func (r *Reacher) Redial(ctx context.Context, broken *peer.Stream) (*peer.Stream, error) {
	p, _, err := r.Book.ByID(broken.Peer())
	if err != nil {
		return nil, err
	}
	p.Name = cmp.Or(p.Name, "the other host")
	p.ID, p.Addrs = broken.Peer(), append([]ma.Multiaddr{broken.RemoteAddr()}, p.Addrs...)
	same := *r
	same.Key, same.quiet = broken.Key(), true
	s := &search{Reacher: &same, peer: p, results: make(chan attempt)}
	stream, err := s.run(ctx)
	switch {
	case err == nil:
		return stream, nil
	case errors.Is(err, peer.ErrVersion):
		return nil, &transfer.Error{Kind: transfer.KindRefused, Err: err}
	case errors.Is(err, peer.ErrRefused):
		// It was forgotten, or another stranger has its place, which may go.
		return nil, turnedAway(err)
	}
	for _, a := range s.failed {
		if a.addr.Equal(broken.RemoteAddr()) && errors.Is(a.err, syscall.ECONNREFUSED) {
			return nil, turnedAway(a.err)
		}
	}
	return nil, err
}

func turnedAway(err error) error {
	var de *peer.DialError
	if errors.As(err, &de) {
		return fmt.Errorf("%w: %s", wire.ErrTurnedAway, de.Reason)
	}
	return fmt.Errorf("%w: %w", wire.ErrTurnedAway, err)
}

// run makes the attempts.
func (s *search) run(ctx context.Context) (*peer.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, giveUpAfter)
	defer cancel()
	defer s.drop()
	defer cancel()
	s.add(ctx, s.peer.Addrs)
	heard := s.browse(ctx)
	if s.browser != nil {
		defer s.browser.Close()
	}
	say := time.NewTimer(sayAfter)
	defer say.Stop()
	if s.quiet {
		say.Reset(giveUpAgain)
	}
	for {
		select {
		case f := <-heard:
			s.heard = append(s.heard, f.Addrs...)
			s.heard = s.heard[:min(len(s.heard), maxTried)]
			s.add(ctx, f.Addrs)
		case got := <-s.results:
			s.dialing = slices.DeleteFunc(s.dialing, func(a string) bool { return a == got.addr.String() })
			if got.err == nil {
				return got.stream, nil
			}
			s.failed = append(s.failed, got)
			if errors.Is(got.err, peer.ErrRefused) || errors.Is(got.err, peer.ErrBusy) || errors.Is(got.err, peer.ErrVersion) {
				return nil, got.err
			}
			s.dialNext(ctx)
			if s.quiet && len(s.dialing) == 0 {
				say.Reset(announceTime)
			}
		case <-say.C:
			if s.quiet || s.otherWay() {
				return nil, s.failure(ctx)
			}
			s.Voice.Sayf("looking for %s: %s", s.peer.Name, s.words())
		case <-ctx.Done():
			return nil, s.failure(ctx)
		}
	}
}

// otherWay reports whether the peer was found, and does the opposite there of what it was
// dialed for.
func (s *search) otherWay() bool {
	return len(s.dialing) == 0 && slices.ContainsFunc(s.failed, func(a attempt) bool { return errors.Is(a.err, peer.ErrOtherWay) })
}

// add queues addresses that are new, up to maxTried.
func (s *search) add(ctx context.Context, addrs []ma.Multiaddr) {
	for _, a := range addrs {
		a = withoutID(a)
		if len(s.known) < maxTried && !slices.Contains(s.known, a.String()) {
			s.known = append(s.known, a.String())
			s.queue = append(s.queue, a)
		}
	}
	s.dialNext(ctx)
}

// dialNext dials what is queued, up to maxDialing at a time.
func (s *search) dialNext(ctx context.Context) {
	for len(s.queue) > 0 && len(s.dialing) < maxDialing {
		a := s.queue[0]
		s.queue = s.queue[1:]
		s.dialing = append(s.dialing, a.String())
		go func() {
			stream, err := s.dial(ctx, peer.Target{Kind: peer.TargetPeer, Name: s.peer.Name, ID: s.peer.ID, Addr: a})
			s.results <- attempt{a, stream, err}
		}()
	}
}

// drop waits for the attempts that are still under way.
func (s *search) drop() {
	for range s.dialing {
		if got := <-s.results; got.stream != nil {
			_ = got.stream.Reset()
		}
	}
}

// browse listens for the peer's announcements.
func (s *search) browse(ctx context.Context) <-chan lan.Found {
	b, err := lan.Browse()
	if err != nil {
		return nil
	}
	s.browser = b
	s.tellAsked(s.peer.Name, b)
	heard := make(chan lan.Found)
	go func() {
		for f := range b.Find(ctx, lan.ByID(s.peer.ID, s.Way.Offers)) {
			select {
			case heard <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	return heard
}

// words says what is being tried.
func (s *search) words() string {
	var parts []string
	if len(s.dialing) > 0 {
		parts = append(parts, "dialing "+few(s.dialing, ", "))
	}
	if s.browser != nil && len(s.browser.Interfaces()) > 0 {
		parts = append(parts, "asking on "+strings.Join(s.browser.Interfaces(), ", "))
	} else {
		parts = append(parts, "there is no local network to ask on")
	}
	return strings.Join(parts, "; ")
}

// few joins the first of some addresses and the number of the others.
func few(parts []string, separator string) string {
	if more := len(parts) - maxShown; more > 0 {
		parts = append(slices.Clip(parts[:maxShown]), fmt.Sprintf("%d more addresses", more))
	}
	return strings.Join(parts, separator)
}

// failure is why a peer was not reached. That another host answered where it
// was is the one thing that must not be missed.
func (s *search) failure(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var why []string
	for _, a := range s.failed {
		if errors.Is(a.err, peer.ErrWrongKey) || errors.Is(a.err, peer.ErrOtherWay) {
			return a.err
		}
		var de *peer.DialError
		if errors.As(a.err, &de) {
			why = append(why, a.addr.String()+": "+de.Reason)
		}
	}
	if len(s.heard) > 0 {
		if len(why) == 0 {
			why = append(why, "no answer")
		}
		return s.Way.unanswered(fmt.Errorf("%s announces itself, and does not answer (%s)", s.peer.Name, few(why, "; ")), s.heard)
	}
	var parts []string
	if len(why) > 0 {
		parts = append(parts, few(why, "; "))
	}
	parts = append(parts, s.words())
	return s.Way.notFound(fmt.Errorf("%s was not found (%s)", s.peer.Name, strings.Join(parts, "; ")))
}

// unanswered is the error for a host that announces these addresses and does not answer
// there: a firewall lets multicast through and not its port.
func (w Way) unanswered(err error, addrs []ma.Multiaddr) error {
	for _, a := range addrs {
		if hint := cli.OpenPort(a); hint != "" {
			return &cli.NotFoundError{Err: err, Hint: hint}
		}
	}
	return w.notFound(err)
}

func withoutID(a ma.Multiaddr) ma.Multiaddr {
	addr, last := ma.SplitLast(a)
	if last != nil && last.Protocol().Code == ma.P_P2P {
		return addr
	}
	return a
}
