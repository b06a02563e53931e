package reach

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/libp2p/go-libp2p/core/crypto"
	ma "github.com/multiformats/go-multiaddr"
)

// Times from the start of a search until the user is told what is tried, and until the search
// fails.
const (
	sayAfter    = 3 * time.Second
	giveUpAfter = 15 * time.Second
)

// A Reacher finds a peer and connects to it.
type Reacher struct {
	Way      Way
	Voice    *cli.Voice
	Key      crypto.PrivKey
	Book     *peer.Book
	Me       string // the name of this host, as its peers see it
	Remember bool   // save peers that paired by a code
	Asker    *Asker // nil if no other Reacher runs at the same time

	typing time.Duration // the time that the user took to type a code
	quiet  bool          // print nothing and emit no events about the attempts
}

// Typing returns how long the user took to type a code.
func (r *Reacher) Typing() time.Duration { return r.typing }

// tellDialed emits the JSON event for an address that is dialed.
func (r *Reacher) tellDialed(to string, addr ma.Multiaddr) {
	if !r.quiet {
		r.Voice.Event(cli.ConnectingEvent{Event: "connecting", To: to, Addr: addr.String()})
	}
}

// tellAsked emits the JSON event for the interfaces on which a host is searched.
func (r *Reacher) tellAsked(to string, b *lan.Browser) {
	if on := b.Interfaces(); !r.quiet && len(on) > 0 {
		r.Voice.Event(cli.ConnectingEvent{Event: "connecting", To: to, On: on})
	}
}

func (w Way) dialConfig() peer.DialConfig {
	return peer.DialConfig{Protocol: fmt.Sprintf("%s%d", w.Family, wire.Protocol)}
}

// Reach connects to the target. It tries the addresses of a host name one after the other,
// until a host answers.
func (r *Reacher) Reach(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	found, err := t.Resolve(ctx)
	for _, at := range found {
		var stream *peer.Stream
		if stream, err = r.reachAt(ctx, at); err == nil {
			return stream, nil
		}
		if !errors.Is(err, peer.ErrUnreachable) || errors.Is(err, peer.ErrCodeUsed) {
			break
		}
	}
	return nil, err
}

// reachAt connects to a target without a host name. If the target is a code, it pairs first.
func (r *Reacher) reachAt(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	switch t.Kind {
	case peer.TargetName:
		return r.saved(ctx, t)
	case peer.TargetCode:
		return r.meet(ctx, t)
	case peer.TargetAddr:
		return r.dialAddress(ctx, t)
	}
	return r.dial(ctx, t)
}

// dial connects to a peer whose ID and address are known.
func (r *Reacher) dial(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	r.tellDialed(t.Name, t.Addr)
	stream, err := peer.Dial(ctx, r.Key, t, r.Way.dialConfig())
	if errors.Is(err, peer.ErrRefused) && t.ID == r.self() {
		return nil, fmt.Errorf("%w, and it lets in neither itself nor strangers: %w", peer.ErrSelf, err)
	}
	if err != nil {
		return nil, err
	}
	if err := r.Book.Seen(t.ID, t.Addr, time.Now()); err != nil {
		r.Voice.Warn(cli.WarnNotSaved, "%v", err)
	}
	return stream, nil
}

// saved connects to a saved peer: at the address of the target, or else at its last addresses
// and its announced addresses, all at the same time.
func (r *Reacher) saved(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	p, ok, err := r.Book.ByName(t.Name)
	if err != nil {
		return nil, err
	}
	if !ok {
		near, waits := r.Way.nearby(ctx, t.Name)
		if waits && t.Addr == nil && near.ID == r.self() {
			return r.search(ctx, peer.Peer{ID: near.ID, Name: near.Name, Addrs: near.Addrs})
		}
		return nil, r.unknown(t.Name, waits)
	}
	if t.Addr != nil {
		return r.dial(ctx, peer.Target{Kind: peer.TargetPeer, Name: p.Name, ID: p.ID, Addr: t.Addr})
	}
	return r.search(ctx, p)
}

func (w Way) notFound(err error) error {
	return &cli.NotFoundError{Err: err,
		Hint: "is " + w.Waiting + " running there? Without multicast on the network, name its address: CODE@192.168.1.20, NAME@192.168.1.20 or " + peer.TargetForm}
}

// meet pairs with the host that shows the code, and connects to it.
func (r *Reacher) meet(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	var met peer.Paired
	var err error
	if t.Addr != nil {
		met, err = r.pair(ctx, t)
	} else {
		met, err = r.pairNearby(ctx, t.Code)
	}
	if errors.Is(err, peer.ErrSelf) {
		r.Voice.Sayf("the code is that of this host itself, which needs none")
		return r.dial(ctx, peer.Target{Kind: peer.TargetPeer, ID: met.ID, Addr: met.Addr})
	}
	if ctx.Err() != nil && errors.Is(err, peer.ErrCodeUsed) { // an interrupt is otherwise reported without its cause
		r.Voice.Warn(cli.WarnCodeUsed, "the code is used up: the other host was given a proof of it; do not use it again")
	}
	if err != nil {
		return nil, err
	}
	if r.Remember {
		name, err := r.Book.Add(peer.Peer{ID: met.ID, Name: met.Name, Seen: time.Now(), Addrs: []ma.Multiaddr{met.Addr}})
		if err != nil {
			return nil, err
		}
		cli.SayMet(r.Voice, met, name, r.Way.Flag+" "+name+" is enough")
	}
	return r.dial(ctx, peer.Target{Kind: peer.TargetPeer, ID: met.ID, Addr: met.Addr})
}

// pair pairs with the host at the target's address. If it returns [peer.ErrSelf], the ID and
// the address in its result are those of this host.
func (r *Reacher) pair(ctx context.Context, t peer.Target) (peer.Paired, error) {
	r.tellDialed(strconv.Itoa(t.Code.Number()), t.Addr)
	met, err := peer.Pair(ctx, r.Key, t, peer.PairConfig{Code: t.Code, Name: r.Me, Fetch: r.Way.Offers})
	if errors.Is(err, peer.ErrSelf) {
		met.ID, met.Addr = r.self(), t.Addr
	}
	return met, err
}

// pairNearby pairs with a host on the local network that announces the number of the code. Any
// host can announce it. A host that does not reach the proof of the handshake learns nothing
// about the code, so the next host is tried. The first host that reaches the proof could test
// one guess at the code, so no other host is tried.
func (r *Reacher) pairNearby(ctx context.Context, code peer.Code) (peer.Paired, error) {
	ctx, cancel := context.WithTimeout(ctx, giveUpAfter)
	defer cancel()
	b, err := lan.Browse()
	if err != nil {
		return peer.Paired{}, r.Way.notFound(err)
	}
	defer b.Close()
	r.tellAsked(strconv.Itoa(code.Number()), b)
	asked := strings.Join(b.Interfaces(), ", ")
	say := time.AfterFunc(sayAfter, func() {
		r.Voice.Sayf("looking for the host with code %d: asking on %s", code.Number(), asked)
	})
	defer say.Stop()
	last := r.Way.notFound(fmt.Errorf("no host on the local network has a code %d out (asked on: %s)", code.Number(), asked))
	tried := 0
	for f := range b.Find(ctx, lan.ByNameplate(strconv.Itoa(code.Number()), r.Way.Offers)) {
		for _, a := range f.Addrs {
			if tried++; tried > maxTried {
				return peer.Paired{}, r.Way.notFound(fmt.Errorf("none of the first %d addresses that are announced with code %d is that of its host; the last one: %w",
					maxTried, code.Number(), last))
			}
			met, err := r.pair(ctx, peer.Target{Kind: peer.TargetCode, ID: f.ID, Addr: withoutID(a), Code: code})
			if err == nil || errors.Is(err, peer.ErrSelf) && isHere(a) {
				return met, err
			}
			if errors.Is(err, peer.ErrCodeUsed) {
				return peer.Paired{}, fmt.Errorf("the first host that answered with code %d, %s (peer %s), did not prove to know it: %w",
					code.Number(), f.Name, f.ID, err)
			}
			last = err
			if errors.Is(err, peer.ErrUnreachable) {
				last = r.Way.unanswered(fmt.Errorf("%s announces code %d, and does not answer: %w", f.Name, code.Number(), err), []ma.Multiaddr{a})
			}
			if !errors.Is(err, peer.ErrUnreachable) {
				break // continue with the next host: this one has answered
			}
		}
	}
	return peer.Paired{}, last
}

// dialAddress connects to the host at an address. If that host is not saved, it asks the user
// for its code and pairs first.
func (r *Reacher) dialAddress(ctx context.Context, t peer.Target) (*peer.Stream, error) {
	r.tellDialed("", t.Addr)
	id, err := peer.Identify(ctx, t)
	if err != nil {
		return nil, err
	}
	if _, ok, err := r.Book.ByID(id); err != nil {
		return nil, err
	} else if ok || id == r.self() {
		return r.dial(ctx, peer.Target{Kind: peer.TargetPeer, ID: id, Addr: t.Addr})
	}
	asked := time.Now()
	text, err := r.codeOf(ctx, t)
	r.typing += time.Since(asked)
	if err != nil {
		return nil, err
	}
	code, err := peer.ParseCode(text)
	if err != nil {
		return nil, err
	}
	return r.meet(ctx, peer.Target{Kind: peer.TargetCode, ID: id, Addr: t.Addr, Code: code})
}
