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

// DefaultDialTimeout is the timeout of [Dial] if [DialConfig] sets none.
const DefaultDialTimeout = 10 * time.Second

// DialConfig configures [Dial].
type DialConfig struct {
	// Protocol is the protocol ID to negotiate, such as "/imgsend/transfer/1": in
	// [ProtocolFamily] to send images to the peer, in [FetchFamily] to fetch images from it.
	Protocol string
	// Timeout limits the whole of Dial. Zero means [DefaultDialTimeout].
	Timeout time.Duration
}

// Dial connects to target and opens a stream for which both sides have agreed on
// config.Protocol. The caller must close or reset the stream. Dial returns a [*DialError],
// which wraps one of [ErrUnreachable], [ErrWrongKey], [ErrRefused], [ErrBusy], [ErrOtherWay]
// and [ErrVersion], or the error of ctx if that ended first. ctx and the timeout apply to Dial
// and not to the stream.
//
// All programs of one user on one host have the same key, and libp2p does not connect a key to
// itself. If target has the ID of key, Dial uses a new key, with which this host is a stranger
// to the other program.
//
// The error wraps [ErrBadTarget] if target has no valid ID or no address that can be dialed.
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

// otherKey returns key, or a new key if id is the ID of key.
func otherKey(key crypto.PrivKey, id ID) (crypto.PrivKey, error) {
	if !id.MatchesPrivateKey(key) {
		return key, nil
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	return key, err
}

// open connects and negotiates the protocol. If it fails, the caller only has to close n.
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

// negotiate opens a stream and waits until the other side accepts proto. A refusal by the other
// side's gate is noticed here and not earlier: in TLS 1.3 the dialer finishes its handshake
// before the listener knows the dialer's key.
func negotiate(ctx context.Context, conn network.Conn, proto protocol.ID) (network.Stream, error) {
	stream, err := conn.NewStream(ctx)
	if errors.Is(err, swarm.ErrConnClosed) {
		// The other side has closed the connection. The second call returns its reason.
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

// ErrSelf means that the host at the address has the key of this host, so the address is this
// host's own.
var ErrSelf = errors.New("that is this host itself")

// PairConfig configures [Pair].
type PairConfig struct {
	// Code is the code that the other host shows.
	Code Code
	// Name is the name of this host, see [CleanName].
	Name string
	// Fetch says that this host pairs to fetch images from the other host, and not to send
	// images to it. The other host must offer images: a code is valid for one direction only.
	Fetch bool
	// Timeout limits the whole of Pair. Zero means twice [DefaultDialTimeout].
	Timeout time.Duration
}

// Pair connects to target, and both sides prove to each other that they know the code. target
// needs an address. If it has no ID, the host at that address must prove that it knows the
// code, and its ID is in the result. Pair closes the connection before it returns. Use [Dial]
// with the ID in Paired to connect again.
//
// The error wraps [ErrWrongCode], [ErrNoCode], [ErrCodeExpired], [ErrPairing], an error of Dial
// such as [ErrOtherWay], or the error of ctx. It also wraps [ErrCodeUsed] if the other side
// could test one guess at the code: then the code must not be used again, with this or any
// other host. If the other host is this host, the error wraps [ErrSelf].
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
	// From here on, dial the ID at the address.
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

// Identify returns the ID of the host that answers at the address of target. The ID is a claim:
// the host proves it only in Dial or Pair. The connection ends before this host sends its own
// ID.
func Identify(ctx context.Context, target Target) (ID, error) {
	// The handshake expects an ID that nobody has, so it fails with an error that contains the
	// actual ID.
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
