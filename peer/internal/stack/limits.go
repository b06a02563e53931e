package stack

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
)

// Limits on the resources that the other side, known or not, can make this host use.
const (
	// MaxConns is the number of inbound connections that a TCP socket has at the same time,
	// including those in their handshake. Further ones wait in the kernel's backlog, where they
	// use no resources of this process. Filling MaxConns takes connections from at least 32
	// addresses, see maxIPConns.
	MaxConns = 256

	// maxPeerConns is the number of connections from one peer.
	maxPeerConns = 8

	// maxIPConns is the number of connections from one IPv4 address or one IPv6 /64. Loopback
	// has no such limit.
	maxIPConns = 8

	// maxPeerStreams is the number of inbound streams of one connection: one that is served,
	// and one that is refused as the second.
	maxPeerStreams = 2

	// maxMemory limits the memory by which the receive windows of all streams together may
	// grow, and maxPeerMemory that of one peer's streams, in bytes.
	maxMemory     = 64 << 20
	maxPeerMemory = 32 << 20

	// initialWindow is how many bytes a stream buffers before they are read. The window grows
	// to 16 MiB, within maxPeerMemory, if the reader keeps up.
	initialWindow = 4 << 20

	// handshakeTimeout limits the handshake of TLS and yamux.
	handshakeTimeout = 5 * time.Second

	// lostAfter is how long the kernel keeps a connection whose other side acknowledges
	// nothing. It exceeds the 30 s of silence that a transfer accepts, so the transfer's
	// timeout fires first. On an idle connection the time starts with yamux's next measurement
	// of the round trip, which it makes every 30 s.
	lostAfter = time.Minute

	// frameTimeout is yamux's timeout for writing one frame. It must be long: the kernel
	// reports free space in its send buffer of some megabytes only when a third of it is free,
	// which takes minutes on a slow connection.
	frameTimeout = 15 * time.Minute

	// maxFrame is the payload of the largest yamux frame, in bytes: with the
	// frame's header of 12 bytes it fills one TLS record of 16 KiB.
	maxFrame = 16<<10 - 12
)

// newResourceManager returns libp2p's accounting of connections, streams and memory, with fixed
// limits.
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
		// The default allows one connection from an address in five seconds, too few for a loop
		// over many images. MaxConns limits the work instead.
		rcmgr.WithConnRateLimiters(&rate.Limiter{}),
	)
}
