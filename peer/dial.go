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
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multistream"
)

// DefaultDialTimeout bounds [Dial] unless [DialConfig] says otherwise.
const DefaultDialTimeout = 10 * time.Second

// DialConfig says how to dial.
type DialConfig struct {
	// Protocol is the protocol ID to speak, such as "/imgsend/transfer/1".
	Protocol string
	// Timeout bounds the whole of Dial; zero is [DefaultDialTimeout].
	Timeout time.Duration
}

// Dial connects to target and opens a stream on which both sides have agreed
// to speak config.Protocol. It returns a [*DialError], which wraps one of
// [ErrUnreachable], [ErrWrongKey], [ErrRefused], [ErrBusy] and [ErrVersion], or
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
		return &Stream{stream: stream, free: func() { n.Close() }}, nil
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
		return nil, dialError(target, n.Swarm.LocalPeer(), err)
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
