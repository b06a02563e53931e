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

// ListenConfig configures [Listen].
type ListenConfig struct {
	// Addr is where to listen: "7420" or ":7420", "192.168.1.20", "localhost:7420", "[::1]:0",
	// or a multiaddr. A host name is looked up. If Addr is empty, the host listens on all
	// addresses at [DefaultPort], or at the next free port if that one is in use.
	Addr string
	// Policy decides which peers may connect.
	Policy Policy
	// Offers says that peers connect to fetch images from this host, and not to send images to
	// it. A peer that connects for the other direction gets [ErrOtherWay].
	Offers bool
}

// Limits on the streams that a host holds.
const (
	// maxWaiting is the greatest number of streams that wait for [Host.Accept].
	maxWaiting = 4

	// negotiateTimeout is how long a stream may take to negotiate a protocol, and a connection
	// to open a stream.
	negotiateTimeout = 10 * time.Second
)

// Host listens for streams.
type Host struct {
	node *stack.Node
	gate *gate
	way  *way

	mu      sync.Mutex
	waiting []*waiting    // oldest first, at most maxWaiting
	ready   chan struct{} // receives a signal when a waiting stream becomes ready
	closed  chan struct{}
	once    sync.Once
}

// waiting is a stream that was not accepted yet.
type waiting struct {
	stream network.Stream
	ready  bool // the protocol is negotiated
}

// Listen returns a host that listens. The caller must call [Host.Close]; ctx applies to Listen
// only. The error wraps [ErrBadAddr] if Addr cannot be parsed. A given port that is in use is
// an error.
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

// newHost returns a host that does not listen yet.
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

// ID returns the ID of this host.
func (h *Host) ID() ID { return h.node.Swarm.LocalPeer() }

// Addrs returns the addresses at which this host can be dialed, each with its ID, the best
// first. For a host that listens on all addresses they are those of its interfaces, loopback
// last. Addresses of containers, bridges and tunnels and IPv6 link-local addresses are left
// out.
func (h *Host) Addrs() []ma.Multiaddr {
	// Cannot fail for the ID of a key.
	addrs, _ := lpeer.AddrInfoToP2pAddrs(&lpeer.AddrInfo{ID: h.ID(), Addrs: lan.Reachable(h.node.Swarm.ListenAddresses())})
	return addrs
}

// Accept returns the next stream, in the order of arrival. The caller must close or reset it.
// While the caller serves a stream, up to four others wait for the next Accept, and their
// dialers wait for the first byte. Further streams are refused with [ErrBusy]. Accept returns
// the cause of ctx when that ends, and an error that wraps net.ErrClosed when the host is
// closed. The protocol of the stream is any version in [ProtocolFamily], or in [FetchFamily] if
// the host offers images. The caller refuses versions that it does not support.
func (h *Host) Accept(ctx context.Context) (*Stream, error) {
	for {
		if s := h.next(); s != nil {
			if h.gate.mayTransfer(s.stream.Conn()) {
				return s, nil
			}
			// The peer was forgotten while the stream waited.
			_ = s.stream.ResetWithError(network.StreamGated)
			// In a goroutine, because it blocks while a write is stuck.
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

// Close ends the host and all its connections, including those of accepted streams: close these
// streams first. It returns when no goroutine is left, after about a second if peers do not
// close their side.
func (h *Host) Close() error {
	h.once.Do(func() { close(h.closed) })
	if p := h.gate.offered(); p != nil {
		p.end(Paired{}, fmt.Errorf("pair: %w", net.ErrClosed))
	}
	return h.node.Close()
}

// handle is called for each stream that a peer opens.
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
			// A stranger must not keep its connection open with streams that send nothing.
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

// agree negotiates one of this host's protocols.
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

// protocols returns the protocols that can be negotiated on a stream. A peer that may only pair
// is refused if it asks for a transfer. A peer that asks for the other direction gets the error
// code for that.
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

// admit adds s to the waiting streams. It returns nil if there are maxWaiting already, or one
// of the same connection.
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

// next removes and returns the oldest stream that is ready, or returns nil.
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

// forgetDead removes streams whose connections were closed while they waited.
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
