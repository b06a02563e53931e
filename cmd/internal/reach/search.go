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

// Limits on a search. Any host on a local network can announce addresses under any name.
const (
	maxTried   = 32 // addresses to dial in all, announced and saved ones
	maxDialing = 8  // addresses to dial at the same time
	maxShown   = 4  // addresses to list in one message
)

// giveUpAgain limits one attempt of Redial. If all known addresses have failed, announceTime is
// how much longer the attempt waits for an announcement.
const (
	giveUpAgain  = 6 * time.Second
	announceTime = time.Second
)

// A search holds the attempts to reach one peer.
type search struct {
	*Reacher
	peer    peer.Peer
	browser *lan.Browser // nil without multicast DNS on this host
	results chan attempt
	known   []string       // all addresses so far: queued, in progress or failed
	queue   []ma.Multiaddr // not dialed yet, because maxDialing dials are in progress
	dialing []string
	failed  []attempt
	heard   []ma.Multiaddr // the addresses that the peer announces, up to maxTried
}

// An attempt is the result of dialing one address: stream or err is set.
type attempt struct {
	addr   ma.Multiaddr
	stream *peer.Stream
	err    error
}

// search connects to a saved peer at its last addresses and its announced addresses.
func (r *Reacher) search(ctx context.Context, p peer.Peer) (*peer.Stream, error) {
	return (&search{Reacher: r, peer: p, results: make(chan attempt)}).run(ctx)
}

// Redial connects again to the peer of a stream that has broken, with the key of that stream.
// It tries the old address, the saved ones and the announced ones. The error wraps
// [wire.ErrTurnedAway] if the peer refuses this host or no longer listens there.
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
		// The peer has forgotten this host, or another stranger is connected there, whose place
		// may become free.
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

// run makes the attempts and returns the first stream. It waits for attempts in progress before
// it returns.
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

// otherWay reports whether the peer was found but serves the other direction, see
// [peer.ErrOtherWay].
func (s *search) otherWay() bool {
	return len(s.dialing) == 0 && slices.ContainsFunc(s.failed, func(a attempt) bool { return errors.Is(a.err, peer.ErrOtherWay) })
}

// add queues the addresses that are new, as long as there are fewer than maxTried in all.
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

// dialNext dials queued addresses, up to maxDialing at the same time.
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

// drop waits for the attempts in progress and resets their streams.
func (s *search) drop() {
	for range s.dialing {
		if got := <-s.results; got.stream != nil {
			_ = got.stream.Reset()
		}
	}
}

// browse returns a channel of the peer's announcements, or nil without multicast DNS.
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

// words describes for the user what is tried now.
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

// few joins the first maxShown elements of parts and the number of the others.
func few(parts []string, separator string) string {
	if more := len(parts) - maxShown; more > 0 {
		parts = append(slices.Clip(parts[:maxShown]), fmt.Sprintf("%d more addresses", more))
	}
	return strings.Join(parts, separator)
}

// failure returns why the peer was not reached. If another host answered at one of the
// addresses, or the peer serves the other direction, it returns that error alone.
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

// unanswered returns the error for a host that announces addrs and does not answer there. The
// usual cause is a firewall that lets multicast through and blocks the port.
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
