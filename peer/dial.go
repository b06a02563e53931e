package peer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/imgsend/imgsend/peer/internal/stack"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multistream"
)

// DefaultDialTimeout bounds [Dial] unless [DialConfig] says otherwise.
const DefaultDialTimeout = 10 * time.Second

// DialConfig says how to dial.
type DialConfig struct {
	// Protocol is the protocol ID to speak, such as "/imgsend/transfer/1": one of
	// [ProtocolFamily] to send images there, one of [FetchFamily] to fetch some.
	Protocol string
	// Timeout bounds the whole of Dial; zero is [DefaultDialTimeout].
	Timeout time.Duration
}

// Dial connects to target and opens a stream on which both sides have agreed
// to speak config.Protocol. It returns a [*DialError], which wraps one of
// [ErrUnreachable], [ErrWrongKey], [ErrRefused], [ErrBusy], [ErrOtherWay] and [ErrVersion], or
// the error of ctx if that ended first. ctx and the timeout govern Dial alone,
// not the stream it returns.
//
// Two programs of one user on one host have one key. libp2p does not connect a
// key to itself, so the dialer goes by a key made for that one dial, as a
// stranger to the other.
//
// A target that [ParseTarget] would not give is an
// error that wraps [ErrBadTarget].
func Dial(ctx context.Context, key crypto.PrivKey, target Target, config DialConfig) (*Stream, error) {
	if config.Protocol == "" {
		return nil, errors.New("dial without a protocol")
	}
	if err := target.check(); err != nil {
		return nil, fmt.Errorf("dial: %w: %w", ErrBadTarget, err)
	}
	timeout := config.Timeout
	if timeout == 0 {
		timeout = DefaultDialTimeout
	}
	key, err := otherKey(key, target.ID)
	if err != nil {
		return nil, err
	}
	n, err := stack.New(key, nil, timeout)
	if err != nil {
		return nil, fmt.Errorf("prepare to dial %s: %w", target, err)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stream, err := open(limited, n, target, protocol.ID(config.Protocol))
	if err == nil {
		return &Stream{stream: stream, key: key, free: func() { n.Close() }}, nil
	}
	n.Close()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("dial %s: %w", target, context.Cause(ctx))
	}
	return nil, err
}

// otherKey returns key, or a new one if it is the one of id.
func otherKey(key crypto.PrivKey, id ID) (crypto.PrivKey, error) {
	if !id.MatchesPrivateKey(key) {
		return key, nil
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	return key, err
}

// open connects and negotiates. When it returns an error nothing is left of
// the connection but n.
func open(ctx context.Context, n *stack.Node, target Target, proto protocol.ID) (network.Stream, error) {
	fail := func(err error) (network.Stream, error) {
		return nil, dialError(target, n.Swarm.LocalPeer(), proto, err)
	}
	n.Store.AddAddr(target.ID, target.Addr, peerstore.TempAddrTTL)
	conn, err := n.Swarm.DialPeer(ctx, target.ID)
	if err != nil {
		return fail(err)
	}
	stream, err := negotiate(ctx, conn, proto)
	if err != nil {
		return fail(err)
	}
	return stream, nil
}

// negotiate opens a stream and waits for the other side's consent to speak
// proto. A refusal by the other side's gate shows here and not earlier: with
// TLS 1.3 a dialer is done before the listener has seen who it is.
func negotiate(ctx context.Context, conn network.Conn, proto protocol.ID) (network.Stream, error) {
	stream, err := conn.NewStream(ctx)
	if errors.Is(err, swarm.ErrConnClosed) {
		// The other side hung up meanwhile. This time the error says why.
		stream, err = conn.NewStream(ctx)
	}
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.Reset() })
	_, err = multistream.SelectOneOf([]protocol.ID{proto}, stream)
	if !stop() {
		err = ctx.Err()
	}
	if err == nil {
		err = stream.SetProtocol(proto)
	}
	if err != nil {
		_ = stream.Reset()
		return nil, err
	}
	return stream, nil
}

// ErrSelf means that the host that answered has the key of this one, and so is
// this one.
var ErrSelf = errors.New("that is this host itself")

// PairConfig says how to meet another host.
type PairConfig struct {
	// Code is what the user was told.
	Code Code
	// Name is what this host calls itself, see [CleanName].
	Name string
	// Fetch says that this host means to fetch images there, and not to send them. The
	// other host has to offer them: a code is good for what it was shown for.
	Fetch bool
	// Timeout bounds the whole of Pair; zero is [DefaultDialTimeout] for the
	// connection and as much again for the handshake.
	Timeout time.Duration
}

// Pair connects to target and proves to it, and has it prove, the knowledge of
// the code. target needs an address; if it lacks an ID, whoever answers there
// has to know the code, and is known by its ID from then on. The connection is
// closed when Pair returns: the way on is [Dial] with the ID in Paired.
//
// The error is [ErrWrongCode], [ErrNoCode], [ErrCodeExpired] or [ErrPairing], or
// one of those that Dial returns, among them [ErrOtherWay], or the error of ctx, always wrapped. It also
// wraps [ErrCodeUsed] if the other side got as far as testing one guess at the
// code: then the code must not be tried again, there or with another host. If
// the other host is this one, the error is [ErrSelf].
func Pair(ctx context.Context, key crypto.PrivKey, target Target, config PairConfig) (Paired, error) {
	if config.Code.IsZero() {
		return Paired{}, errors.New("pair without a code")
	}
	if err := CheckName(config.Name); err != nil {
		return Paired{}, fmt.Errorf("pair: %w", err)
	}
	timeout := config.Timeout
	if timeout == 0 {
		timeout = 2 * DefaultDialTimeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	met, err := pair(limited, key, target, config)
	switch {
	case err == nil || ctx.Err() == nil:
		return met, err
	case errors.Is(err, ErrCodeUsed):
		return Paired{}, fmt.Errorf("pair: %w; %w", context.Cause(ctx), ErrCodeUsed)
	}
	return Paired{}, fmt.Errorf("pair: %w", context.Cause(ctx))
}

func pair(ctx context.Context, key crypto.PrivKey, target Target, config PairConfig) (Paired, error) {
	var err error
	if target.ID == "" {
		if target.ID, err = Identify(ctx, target); err != nil {
			return Paired{}, err
		}
	}
	// What is dialed from here on is a key at an address.
	target = Target{ID: target.ID, Addr: target.Addr}
	if err := target.check(); err != nil {
		return Paired{}, fmt.Errorf("pair: %w: %w", ErrBadTarget, err)
	}
	if target.ID.MatchesPrivateKey(key) {
		return Paired{}, fmt.Errorf("pair: %w", ErrSelf)
	}
	n, err := stack.New(key, nil, DefaultDialTimeout)
	if err != nil {
		return Paired{}, fmt.Errorf("prepare to dial %s: %w", target, err)
	}
	defer n.Close()
	s, err := open(ctx, n, target, wayOf(config.Fetch).pair)
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrVersion) {
		return Paired{}, fmt.Errorf("%w: %w", ErrNoCode, err)
	}
	if err != nil {
		return Paired{}, err
	}
	stream := &Stream{stream: s}
	stop := context.AfterFunc(ctx, func() { _ = stream.Reset() })
	name, err := newTalk(stream, wayOf(config.Fetch).pair, n.Swarm.LocalPeer(), target.ID, false).dialerSide(config.Code, config.Name)
	if !stop() && err != nil {
		_ = stream.Reset()
		return Paired{}, fmt.Errorf("pair with %s: %w: %w", target.Addr, context.Cause(ctx), err)
	}
	if err != nil {
		stream.Close()
		return Paired{}, fmt.Errorf("pair with %s: %w", target.Addr, err)
	}
	stream.Close()
	return Paired{ID: target.ID, Name: name, Addr: target.Addr}, nil
}

// Identify returns the ID of the host that answers at the address of target.
// Anybody could answer there and claim that ID; only a Dial or a Pair with it
// has it proven. Nothing of this host is told: the connection ends before it
// would have to say who it is.
func Identify(ctx context.Context, target Target) (ID, error) {
	// Expecting somebody who does not exist, the handshake ends with the error
	// that says who is there.
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return "", err
	}
	nobody, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return "", err
	}
	id, err := lpeer.IDFromPrivateKey(nobody)
	if err != nil {
		return "", err
	}
	probe := Target{ID: id, Addr: target.Addr}
	if err := probe.check(); err != nil {
		return "", fmt.Errorf("dial: %w: %w", ErrBadTarget, err)
	}
	n, err := stack.New(key, nil, DefaultDialTimeout)
	if err != nil {
		return "", fmt.Errorf("prepare to dial %s: %w", target.Addr, err)
	}
	defer n.Close()
	n.Store.AddAddr(id, target.Addr, peerstore.TempAddrTTL)
	_, err = n.Swarm.DialPeer(ctx, id)
	var mismatch sec.ErrPeerIDMismatch
	if errors.As(err, &mismatch) {
		return mismatch.Actual, nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("dial %s: %w", target.Addr, context.Cause(ctx))
	}
	return "", dialError(Target{Kind: TargetAddr, Addr: target.Addr}, "", "", err)
}
