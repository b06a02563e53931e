package stack

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	ma "github.com/multiformats/go-multiaddr"
)

// Node is the libp2p network of one host: its key, its transport and its limits. The caller
// must call Close.
type Node struct {
	// Swarm manages the connections.
	Swarm *swarm.Swarm
	// Store contains the addresses to dial.
	Store peerstore.Peerstore

	limits  network.ResourceManager
	closing sync.Once
	closed  error
}

// New returns a network that neither listens nor dials yet. gater may be nil. dialTimeout
// limits one dial.
func New(key crypto.PrivKey, gater connmgr.ConnectionGater, dialTimeout time.Duration) (_ *Node, err error) {
	silence()
	id, err := lpeer.IDFromPrivateKey(key)
	if err != nil {
		return nil, err
	}
	n := &Node{}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	if n.limits, err = newResourceManager(); err != nil {
		return nil, err
	}
	if n.Store, err = pstoremem.NewPeerstore(); err != nil {
		return nil, err
	}
	if err := n.Store.AddPrivKey(id, key); err != nil {
		return nil, err
	}
	n.Swarm, err = swarm.NewSwarm(id, n.Store, eventbus.NewBus(),
		swarm.WithConnectionGater(gater),
		swarm.WithResourceManager(n.limits),
		swarm.WithMultiaddrResolver(noNames{}),
		swarm.WithDialTimeout(dialTimeout),
		swarm.WithDialTimeoutLocal(dialTimeout),
		swarm.WithUDPBlackHoleSuccessCounter(nil),
		swarm.WithIPv6BlackHoleSuccessCounter(nil),
	)
	if err != nil {
		return nil, err
	}
	up, err := newUpgrader(key, gater, n.limits)
	if err != nil {
		return nil, err
	}
	return n, n.Swarm.AddTransport(&tcpTransport{upgrader: up, limits: n.limits})
}

// newUpgrader returns the upgrader of TCP connections: TLS 1.3, then yamux.
func newUpgrader(key crypto.PrivKey, gater connmgr.ConnectionGater, limits network.ResourceManager) (transport.Upgrader, error) {
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: newMuxer()}}
	security, err := newTLS(key, yamux.ID)
	if err != nil {
		return nil, err
	}
	return upgrader.New([]sec.SecureTransport{security}, muxers, nil, limits, gater,
		upgrader.WithAcceptTimeout(handshakeTimeout))
}

// newMuxer returns yamux with libp2p's settings and these changes:
//
//   - The resource manager limits the number of streams, as in libp2p, and yamux also refuses
//     more than maxPeerStreams.
//   - The receive window starts at initialWindow. libp2p starts at 256 KiB and needs several
//     round trips to grow to 16 MiB; starting higher makes a transfer of 64 MiB through 1
//     Gbit/s with a round trip of 10 ms a third faster (BenchmarkLink).
//   - yamux closes no connection for being slow. By default it does if a frame of 64 KiB or a
//     ping takes 10 s, so that an interruption of 8 s or a connection of 128 kbit/s ended a
//     stream. The caller decides how long silence may last, and the kernel detects dead
//     connections, see tcpTransport.
//   - A frame fills one TLS record. yamux passes a frame to the reader when all of it has
//     arrived, so with small frames the reader notices sooner that a slow connection still
//     delivers data.
func newMuxer() *yamux.Transport {
	config := *yamux.DefaultTransport.Config()
	config.InitialStreamWindowSize = initialWindow
	config.AcceptBacklog = maxPeerStreams
	config.MaxIncomingStreams = maxPeerStreams
	config.EnableKeepAlive = false
	config.ConnectionWriteTimeout = frameTimeout
	config.MaxMessageSize = maxFrame
	return (*yamux.Transport)(&config)
}

// Close ends all connections and goroutines. Data not yet delivered is lost.
func (n *Node) Close() error {
	n.closing.Do(func() {
		var errs []error
		if n.Swarm != nil {
			errs = append(errs, n.Swarm.Close())
		}
		if n.Store != nil {
			errs = append(errs, n.Store.Close())
		}
		if n.limits != nil {
			errs = append(errs, n.limits.Close())
		}
		n.closed = errors.Join(errs...)
	})
	return n.closed
}

// noNames refuses to look up host names. Package peer resolves or refuses them before.
type noNames struct{}

var errNoNames = errors.New("host names are not looked up")

func (noNames) ResolveDNSAddr(context.Context, lpeer.ID, ma.Multiaddr, int, int) ([]ma.Multiaddr, error) {
	return nil, errNoNames
}

func (noNames) ResolveDNSComponent(context.Context, ma.Multiaddr, int) ([]ma.Multiaddr, error) {
	return nil, errNoNames
}

// silence discards libp2p's log, which would appear on the user's terminal, unless
// GOLOG_LOG_LEVEL is set.
var silence = sync.OnceFunc(func() {
	if os.Getenv("GOLOG_LOG_LEVEL") == "" {
		gologshim.SetDefaultHandler(slog.DiscardHandler)
	}
})
