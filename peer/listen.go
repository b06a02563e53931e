package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/imgsend/imgsend/peer/internal/stack"
	"github.com/imgsend/imgsend/peer/lan"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multistream"
)

// ListenConfig says where a host listens and whom it lets in.
type ListenConfig struct {
	// Addr is where to listen: "7420" or ":7420", "192.168.1.20", "localhost:7420",
	// "[::1]:0", or a multiaddr. A host name is looked up. Empty is [DefaultPort] on all
	// addresses, or, if that port is taken, the next one that is free.
	Addr string
	// Policy decides who gets in.
	Policy Policy
	// Offers says that peers come to fetch images, and not to send them. Those who come
	// for the other one are told so, see [ErrOtherWay].
	Offers bool
}

// Limits on the streams that a host holds.
const (
	// maxWaiting is the number of streams that wait for [Host.Accept].
	maxWaiting = 4

	// negotiateTimeout ends streams that do not name a protocol, and
	// connections that do not open a stream.
	negotiateTimeout = 10 * time.Second
)

// Host listens for streams.
type Host struct {
	node *stack.Node
	gate *gate
	way  *way

	mu      sync.Mutex
	waiting []*waiting    // oldest first, at most maxWaiting
	ready   chan struct{} // signals that some waiting stream became ready
	closed  chan struct{}
	once    sync.Once
}

// waiting is a stream that nobody has accepted yet.
type waiting struct {
	stream network.Stream
	ready  bool // the protocol is agreed on
}

// Listen starts to listen. ctx governs Listen alone; [Host.Close] ends the
// host. An Addr that cannot be read is an error that wraps [ErrBadAddr]; a
// port that was asked for and is taken is an error too.
func Listen(ctx context.Context, key crypto.PrivKey, config ListenConfig) (*Host, error) {
	addrs, err := parseListen(ctx, config.Addr)
	if err != nil {
		return nil, err
	}
	h, err := newHost(key, config)
	if err != nil {
		return nil, fmt.Errorf("prepare to listen: %w", err)
	}
	if config.Addr == "" {
		err = h.node.ListenNear(ctx, DefaultPort, wildcard)
	} else {
		err = h.node.Listen(ctx, addrs)
	}
	if err != nil {
		h.node.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	return h, nil
}

// newHost returns a host that does not listen anywhere yet.
func newHost(key crypto.PrivKey, config ListenConfig) (*Host, error) {
	h := &Host{
		gate:   &gate{policy: config.Policy},
		way:    wayOf(config.Offers),
		ready:  make(chan struct{}, 1),
		closed: make(chan struct{}),
	}
	var err error
	if h.node, err = stack.New(key, h.gate, DefaultDialTimeout); err != nil {
		return nil, err
	}
	h.node.Swarm.SetStreamHandler(h.handle)
	return h, nil
}

// ID returns who this host is.
func (h *Host) ID() ID { return h.node.Swarm.LocalPeer() }

// Addrs returns the addresses with which this host can be dialed, each with
// its ID, best first. A host that listens on all addresses has those of its
// interfaces, real ones first, loopback last, and without those of containers,
// bridges and tunnels, and IPv6 link-local ones.
func (h *Host) Addrs() []ma.Multiaddr {
	// The ID of a key makes no error.
	addrs, _ := lpeer.AddrInfoToP2pAddrs(&lpeer.AddrInfo{ID: h.ID(), Addrs: lan.Reachable(h.node.Swarm.ListenAddresses())})
	return addrs
}

// Accept returns the next stream, in the order in which they came. Serve one
// and then call Accept again: meanwhile up to four streams wait, which their
// dialers see as a peer that is slow to speak; any more are turned away
// with [ErrBusy]. Accept returns the error of ctx when that ends, and
// net.ErrClosed, wrapped, when the host is closed. The protocol of the stream
// is some version of [ProtocolFamily], or of [FetchFamily] if the host offers images, and
// it is the caller who refuses those it does not speak.
func (h *Host) Accept(ctx context.Context) (*Stream, error) {
	for {
		if s := h.next(); s != nil {
			if h.gate.mayTransfer(s.stream.Conn()) {
				return s, nil
			}
			// It was forgotten while it waited.
			_ = s.stream.ResetWithError(network.StreamGated)
			// This waits for a write that is stuck.
			go func() { _ = s.stream.Conn().CloseWithError(network.ConnGated) }()
			continue
		}
		select {
		case <-h.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-h.closed:
			return nil, fmt.Errorf("accept: %w", net.ErrClosed)
		}
	}
}

// Close ends the host and every connection to it, accepted streams too: close
// those first. It returns when nothing is left running, which takes a second
// if peers do not hang up.
func (h *Host) Close() error {
	h.once.Do(func() { close(h.closed) })
	if p := h.gate.offered(); p != nil {
		p.end(Paired{}, fmt.Errorf("pair: %w", net.ErrClosed))
	}
	return h.node.Close()
}

// handle runs for every stream that a peer opens.
func (h *Host) handle(s network.Stream) {
	w := h.admit(s)
	if w == nil {
		_ = s.ResetWithError(network.StreamRateLimited)
		return
	}
	if err := h.agree(s); err != nil {
		h.drop(w)
		_ = s.Reset()
		if h.gate.isStranger(s.Conn()) {
			// A stranger must not keep its place with streams that say
			// nothing.
			s.Conn().Close()
		}
		return
	}
	if s.Protocol() == h.way.pair {
		h.drop(w)
		h.servePair(s)
		return
	}
	h.mu.Lock()
	w.ready = true
	h.mu.Unlock()
	h.signal()
}

// agree waits until the peer has named a protocol of ours.
func (h *Host) agree(s network.Stream) error {
	if err := s.SetDeadline(time.Now().Add(negotiateTimeout)); err != nil {
		return err
	}
	proto, _, err := h.protocols(s).Negotiate(s)
	if err != nil {
		return err
	}
	return errors.Join(s.SetDeadline(time.Time{}), s.SetProtocol(proto))
}

// protocols returns what may be agreed on over a stream. A peer that may only pair
// is told that it is refused when it asks for more, and one that comes for the other
// way that it does.
func (h *Host) protocols(s network.Stream) *multistream.MultistreamMuxer[protocol.ID] {
	all := multistream.NewMultistreamMuxer[protocol.ID]()
	all.AddHandlerWithFunc(protocol.ID(h.way.family), func(p protocol.ID) bool {
		if !h.way.isTransfer(p) {
			return false
		}
		if !h.gate.mayTransfer(s.Conn()) {
			h.gate.turnAway(s.Conn())
			return false
		}
		return true
	}, nil)
	all.AddHandlerWithFunc(h.way.pair, func(p protocol.ID) bool {
		return p == h.way.pair && h.gate.offered() != nil
	}, nil)
	all.AddHandlerWithFunc(protocol.ID(h.way.other().family), func(p protocol.ID) bool {
		if h.way.other().has(p) {
			_ = s.Conn().CloseWithError(h.way.code)
		}
		return false
	}, nil)
	return all
}

// admit gives s a place among the waiting, or returns nil if there is none.
// A connection has at most one.
func (h *Host) admit(s network.Stream) *waiting {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgetDead()
	if len(h.waiting) >= maxWaiting {
		return nil
	}
	for _, w := range h.waiting {
		if w.stream.Conn() == s.Conn() {
			return nil
		}
	}
	w := &waiting{stream: s}
	h.waiting = append(h.waiting, w)
	return w
}

// next takes the oldest stream that is ready, or returns nil.
func (h *Host) next() *Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgetDead()
	for i, w := range h.waiting {
		if w.ready {
			h.waiting = append(h.waiting[:i:i], h.waiting[i+1:]...)
			if len(h.waiting) > 0 {
				h.signal()
			}
			return &Stream{stream: w.stream}
		}
	}
	return nil
}

func (h *Host) drop(gone *waiting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, w := range h.waiting {
		if w == gone {
			h.waiting = append(h.waiting[:i:i], h.waiting[i+1:]...)
			return
		}
	}
}

// forgetDead drops the streams whose peers hung up while they waited.
func (h *Host) forgetDead() {
	kept := h.waiting[:0]
	for _, w := range h.waiting {
		if !w.stream.Conn().IsClosed() {
			kept = append(kept, w)
		}
	}
	clear(h.waiting[len(kept):])
	h.waiting = kept
}

func (h *Host) signal() {
	select {
	case h.ready <- struct{}{}:
	default:
	}
}
