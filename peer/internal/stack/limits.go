package stack

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
)

// Limits on what the other side, known or not, can make this host hold.
const (
	// MaxConns is the number of inbound connections of one TCP socket that
	// exist at a time, most of them still in their handshake. The next ones
	// wait in the kernel's backlog, where they cost nothing here, and get
	// their turn. It takes more than 32 addresses to fill it, see maxIPConns.
	MaxConns = 256

	// maxPeerConns is the number of connections from one peer.
	maxPeerConns = 8

	// maxIPConns is the number of connections from one IPv4 address, or from
	// one IPv6 /64. Loopback is exempt.
	maxIPConns = 8

	// maxPeerStreams is the number of inbound streams of one connection: one
	// that is served, and one that is told that it is too many.
	maxPeerStreams = 2

	// maxMemory bounds what the receive windows of all streams together may
	// grow by, and maxPeerMemory those of one peer, in bytes.
	maxMemory     = 64 << 20
	maxPeerMemory = 32 << 20

	// initialWindow is how many bytes a stream takes in before anybody reads
	// it. It grows to 16 MiB, within maxPeerMemory, if the reader keeps up.
	initialWindow = 4 << 20

	// handshakeTimeout ends connections that do not finish TLS and yamux.
	handshakeTimeout = 5 * time.Second

	// lostAfter is the time after which the kernel gives up a connection whose
	// other side acknowledges nothing. It exceeds the 30 s of silence that a
	// transfer accepts, so that the transfer's timeout is the one that decides.
	// On an idle connection yamux measures the round trip every 30 s: the time
	// starts then.
	lostAfter = time.Minute

	// frameTimeout is yamux's timeout for writing one frame. It only has to end
	// some day: the kernel reports free space in its send buffer, of up to some
	// megabytes, when a third of it is free, which takes minutes on a slow line.
	frameTimeout = 15 * time.Minute

	// maxFrame is the payload of the largest yamux frame, in bytes: with the
	// frame's header of 12 bytes it fills one TLS record of 16 KiB.
	maxFrame = 16<<10 - 12
)

// newResourceManager returns libp2p's bookkeeping of connections, streams and
// memory, with fixed limits.
func newResourceManager() (network.ResourceManager, error) {
	const conns = 2*MaxConns + 8 // two sockets
	all := rcmgr.ResourceLimits{
		Streams: 2 * conns, StreamsInbound: 2 * conns, StreamsOutbound: 8,
		Conns: conns, ConnsInbound: conns, ConnsOutbound: 8, FD: conns,
		Memory: maxMemory,
	}
	one := rcmgr.ResourceLimits{
		Streams: maxPeerConns * maxPeerStreams, StreamsInbound: maxPeerConns * maxPeerStreams, StreamsOutbound: 8,
		Conns: maxPeerConns, ConnsInbound: maxPeerConns, ConnsOutbound: maxPeerConns, FD: maxPeerConns,
		Memory: maxPeerMemory,
	}
	limits := rcmgr.PartialLimitConfig{
		System: all, Transient: all,
		AllowlistedSystem: all, AllowlistedTransient: all,
		ServiceDefault: all, ServicePeerDefault: one,
		ProtocolDefault: all, ProtocolPeerDefault: one,
		PeerDefault: one,
		Conn:        rcmgr.ResourceLimits{Streams: 8, StreamsInbound: 8, StreamsOutbound: 8, Conns: 1, ConnsInbound: 1, ConnsOutbound: 1, FD: 1, Memory: maxPeerMemory},
		Stream:      rcmgr.ResourceLimits{Streams: 1, StreamsInbound: 1, StreamsOutbound: 1, Memory: maxPeerMemory},
	}
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Build(rcmgr.InfiniteLimits)),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: maxIPConns}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 64, ConnCount: maxIPConns}},
		),
		// The default lets one address connect once in five seconds, too
		// seldom for a loop over many images. MaxConns bounds the work.
		rcmgr.WithConnRateLimiters(&rate.Limiter{}),
	)
}
