package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/libp2p/go-libp2p/core/crypto"
	ma "github.com/multiformats/go-multiaddr"
)

// How long a peer is looked for, and when to say what is being tried.
const (
	sayAfter    = 3 * time.Second
	giveUpAfter = 15 * time.Second
)

// A reacher finds a peer and connects to it.
type reacher struct {
	v        *cli.Voice
	key      crypto.PrivKey
	book     *peer.Book
	me       string // what this host calls itself
	remember bool
}

func dialConfig() peer.DialConfig {
	return peer.DialConfig{Protocol: fmt.Sprintf("%s%d", peer.ProtocolFamily, transfer.Protocol)}
}

// reach connects to the target, meeting it by a code first where it takes one.
func (r *reacher) reach(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	switch t.Kind {
	case peer.TargetName:
		return r.saved(ctx, t)
	case peer.TargetCode:
		return r.meet(ctx, t)
	case peer.TargetAddr:
		return r.whoever(ctx, t)
	}
	return r.dial(ctx, t)
}

// dial connects to a peer whose ID and address are known.
func (r *reacher) dial(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	stream, err := peer.Dial(ctx, r.key, t, dialConfig())
	if err != nil {
		return nil, err
	}
	if err := r.book.Seen(t.ID, t.Addr, time.Now()); err != nil {
		r.v.Warnf("warning: %v", err)
	}
	return stream, nil
}

// saved connects to a saved peer: at the address given, or where it was last
// and where it announces itself, at the same time.
func (r *reacher) saved(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	p, ok, err := r.book.ByName(t.Name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &cli.NotFoundError{Err: fmt.Errorf("no saved peer is called %s", t.Name),
			Hint: "imgsend --peers lists them; a new host is met by the code that imgrecv shows there"}
	}
	if t.Addr != nil {
		return r.dial(ctx, peer.Target{Kind: peer.TargetPeer, ID: p.ID, Addr: t.Addr})
	}
	return r.search(ctx, p)
}

// An attempt is one address that was dialed.
type attempt struct {
	addr   ma.Multiaddr
	stream *peer.Stream
	err    error
}

func (r *reacher) search(ctx context.Context, p peer.Peer) (*peer.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, giveUpAfter)
	defer cancel()
	s := &search{reacher: r, id: p.ID, results: make(chan attempt), tried: map[string]error{}}
	defer s.drop()
	defer cancel()
	for _, a := range p.Addrs {
		s.try(ctx, a)
	}
	heard, browser := s.browse(ctx)
	if browser != nil {
		defer browser.Close()
	}
	say := time.NewTimer(sayAfter)
	defer say.Stop()
	for {
		select {
		case f := <-heard:
			for _, a := range f.Addrs {
				s.try(ctx, withoutID(a))
			}
		case got := <-s.results:
			s.pending--
			if got.err == nil {
				return got.stream, nil
			}
			s.tried[got.addr.String()] = got.err
			if errors.Is(got.err, peer.ErrRefused) || errors.Is(got.err, peer.ErrBusy) || errors.Is(got.err, peer.ErrVersion) {
				return nil, got.err
			}
		case <-say.C:
			r.v.Sayf("looking for %s: %s", p.Name, s.words(browser))
		case <-ctx.Done():
			return nil, s.failure(ctx, p.Name, browser)
		}
	}
}

// A search is the attempts at one peer.
type search struct {
	*reacher
	id      peer.ID
	results chan attempt
	pending int
	tried   map[string]error
}

// try dials an address that was not dialed before.
func (s *search) try(ctx context.Context, a ma.Multiaddr) {
	if _, done := s.tried[a.String()]; done {
		return
	}
	s.tried[a.String()] = nil
	s.pending++
	go func() {
		stream, err := s.dial(ctx, peer.Target{Kind: peer.TargetPeer, ID: s.id, Addr: a})
		s.results <- attempt{a, stream, err}
	}()
}

// drop waits for the attempts that are still under way.
func (s *search) drop() {
	for ; s.pending > 0; s.pending-- {
		if got := <-s.results; got.stream != nil {
			_ = got.stream.Reset()
		}
	}
}

// browse listens for the peer's announcements.
func (s *search) browse(ctx context.Context) (<-chan peer.Found, *peer.Browser) {
	b, err := peer.Browse()
	if err != nil {
		return nil, nil
	}
	heard := make(chan peer.Found)
	go func() {
		for f := range b.Find(ctx, peer.ByID(s.id)) {
			select {
			case heard <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	return heard, b
}

// words says what is being tried.
func (s *search) words(b *peer.Browser) string {
	var parts []string
	for a, err := range s.tried {
		if err == nil {
			parts = append(parts, "dialing "+a)
		}
	}
	if b != nil && len(b.Interfaces()) > 0 {
		parts = append(parts, "asking on "+strings.Join(b.Interfaces(), ", "))
	} else {
		parts = append(parts, "there is no local network to ask on")
	}
	return strings.Join(parts, "; ")
}

// failure is why a peer was not reached. That somebody else answered where it
// was is the one thing that must not be missed.
func (s *search) failure(ctx context.Context, name string, b *peer.Browser) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var why []string
	for a, err := range s.tried {
		if errors.Is(err, peer.ErrWrongKey) {
			return err
		}
		var de *peer.DialError
		if errors.As(err, &de) {
			why = append(why, a+": "+de.Reason)
		}
	}
	why = append(why, s.words(b))
	return notFound(fmt.Errorf("%s was not found (%s)", name, strings.Join(why, "; ")))
}

func notFound(err error) error {
	return &cli.NotFoundError{Err: err,
		Hint: "is imgrecv running there? Without multicast on the network, name its address: NAME@192.168.1.20 or " + peer.TargetForm}
}

func withoutID(a ma.Multiaddr) ma.Multiaddr {
	addr, last := ma.SplitLast(a)
	if last != nil && last.Protocol().Code == ma.P_P2P {
		return addr
	}
	return a
}

// meet pairs with the host that has the code out, and connects to it.
func (r *reacher) meet(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	var met peer.Paired
	var err error
	if t.Addr != nil {
		met, err = r.pair(ctx, t)
	} else {
		met, err = r.pairNearby(ctx, t.Code)
	}
	if err != nil {
		return nil, err
	}
	if r.remember {
		name, err := r.book.Add(peer.Peer{ID: met.ID, Name: met.Name, Seen: time.Now(), Addrs: []ma.Multiaddr{met.Addr}})
		if err != nil {
			return nil, err
		}
		cli.SayMet(r.v, met, name)
	}
	return r.dial(ctx, peer.Target{Kind: peer.TargetPeer, ID: met.ID, Addr: met.Addr})
}

func (r *reacher) pair(ctx context.Context, t peer.Target) (peer.Paired, error) {
	return peer.Pair(ctx, r.key, t, peer.PairConfig{Code: t.Code, Name: r.me})
}

// pairNearby pairs with a host on the local network that announces the code's
// number. Anybody can announce it. Hosts that do not get as far as the proof
// learn nothing, and the next one is tried. The first one that does could test a
// guess at the code, so it is the only one.
func (r *reacher) pairNearby(ctx context.Context, code peer.Code) (peer.Paired, error) {
	ctx, cancel := context.WithTimeout(ctx, giveUpAfter)
	defer cancel()
	b, err := peer.Browse()
	if err != nil {
		return peer.Paired{}, notFound(err)
	}
	defer b.Close()
	asked := strings.Join(b.Interfaces(), ", ")
	say := time.AfterFunc(sayAfter, func() {
		r.v.Sayf("looking for the host with code %d: asking on %s", code.Number(), asked)
	})
	defer say.Stop()
	last := notFound(fmt.Errorf("no host on the local network has a code %d out (asked on: %s)", code.Number(), asked))
	for f := range b.Find(ctx, peer.ByNameplate(strconv.Itoa(code.Number()))) {
		for _, a := range f.Addrs {
			met, err := r.pair(ctx, peer.Target{Kind: peer.TargetCode, ID: f.ID, Addr: withoutID(a), Code: code})
			if err == nil {
				return met, nil
			}
			if errors.Is(err, peer.ErrCodeUsed) {
				return peer.Paired{}, fmt.Errorf("the first host that answered with code %d, %s (peer %s), did not prove to know it: %w",
					code.Number(), f.Name, f.ID, err)
			}
			last = err
			if !errors.Is(err, peer.ErrUnreachable) {
				break // the next host; this one has answered
			}
		}
	}
	return peer.Paired{}, last
}

// whoever connects to the host at an address: a saved peer, or one to be met by
// the code that the user is asked for.
func (r *reacher) whoever(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	id, err := peer.Identify(ctx, t)
	if err != nil {
		return nil, err
	}
	if _, ok, err := r.book.ByID(id); err != nil {
		return nil, err
	} else if ok {
		return r.dial(ctx, peer.Target{Kind: peer.TargetPeer, ID: id, Addr: t.Addr})
	}
	text, err := ask(ctx, r.v, "a new host; its code:")
	if err != nil {
		return nil, err
	}
	code, err := peer.ParseCode(text)
	if err != nil {
		return nil, err
	}
	return r.meet(ctx, peer.Target{Kind: peer.TargetCode, ID: id, Addr: t.Addr, Code: code})
}
