package peer

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// Policy decides which peers may connect. The zero Policy refuses all. Its functions must be
// safe for concurrent use.
type Policy struct {
	// Allow reports whether a peer may do what this host listens for. Nil allows no peer.
	// [Book.May] is the usual source.
	Allow func(ID) bool

	// Known reports whether a peer is known although Allow refuses it. Nil knows no peer. A
	// known peer may connect to learn that it lacks the right, and do nothing else unless
	// Strangers lets it in.
	Known func(ID) bool

	// Strangers reports whether a peer that Allow refuses may connect now. Nil means never. At
	// most one stranger is connected at a time. The next one may connect when that connection
	// is closed. If the same stranger connects again, its first connection is closed.
	Strangers func() bool

	// Refused, if not nil, is called with the ID and the address of each peer that is refused.
	// It must not block.
	Refused func(id ID, from ma.Multiaddr)
}

// gate is the connection gater of a listening host.
type gate struct {
	policy Policy

	mu       sync.Mutex
	stranger network.Conn // the connection of the last stranger that was let in
	pairOnly bool         // the stranger may only pair
	pairing  *Pairing     // the pairing whose code is valid now, or nil
}

var _ connmgr.ConnectionGater = (*gate)(nil)

// InterceptUpgraded decides on a connection whose peer has proven its key. A connection that is
// refused here is closed with the code network.ConnGated, which tells the dialer that it was
// refused.
func (g *gate) InterceptUpgraded(conn network.Conn) (bool, control.DisconnectReason) {
	if conn.Stat().Direction == network.DirInbound && !g.enter(conn) {
		return false, 0
	}
	time.AfterFunc(negotiateTimeout, func() { closeIdle(conn) })
	return true, 0
}

func (g *gate) enter(conn network.Conn) bool {
	if g.allows(conn.RemotePeer()) {
		return true
	}
	known := g.policy.Known != nil && g.policy.Known(conn.RemotePeer())
	open := g.policy.Strangers != nil && g.policy.Strangers()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !open && g.pairing == nil {
		if !known {
			g.refused(conn)
		}
		return known
	}
	if old := g.stranger; old != nil && !old.IsClosed() {
		if old.RemotePeer() != conn.RemotePeer() {
			return known
		}
		go old.Close() // the stranger has reconnected: its old connection is broken
	}
	g.stranger, g.pairOnly = conn, !open
	if g.pairOnly {
		time.AfterFunc(pairTimeout, func() {
			if !g.mayTransfer(conn) {
				conn.Close()
			}
		})
	}
	return true
}

// refused calls Policy.Refused.
func (g *gate) refused(conn network.Conn) {
	if g.policy.Refused != nil {
		g.policy.Refused(conn.RemotePeer(), conn.RemoteMultiaddr())
	}
}

// turnAway closes the connection of a peer that may not open a transfer stream. The error code
// tells the peer whether it is unknown or lacks the right.
func (g *gate) turnAway(conn network.Conn) {
	code := network.ConnGated
	if g.policy.Known != nil && g.policy.Known(conn.RemotePeer()) {
		g.refused(conn)
		code = connNoRight
	}
	_ = conn.CloseWithError(code)
}

// allows reports whether a peer needs neither a code nor the permission of the user.
func (g *gate) allows(id ID) bool {
	return g.policy.Allow != nil && g.policy.Allow(id)
}

// mayTransfer reports whether conn may have a transfer stream. It asks the policy again,
// because the peer may have been forgotten or paired since it connected.
func (g *gate) mayTransfer(conn network.Conn) bool {
	g.mu.Lock()
	stranger := g.stranger == conn && !g.pairOnly
	g.mu.Unlock()
	return stranger || g.allows(conn.RemotePeer())
}

// offer makes p the valid pairing. It returns false if there is one already.
func (g *gate) offer(p *Pairing) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pairing != nil {
		return false
	}
	g.pairing = p
	return true
}

// withdraw ends the validity of p.
func (g *gate) withdraw(p *Pairing) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pairing == p {
		g.pairing = nil
	}
}

// offered returns the valid pairing, or nil.
func (g *gate) offered() *Pairing {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pairing
}

// isStranger reports whether conn is the connection of the last stranger that was let in.
func (g *gate) isStranger(conn network.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stranger == conn
}

// closeIdle closes a connection without streams. If the connection has a stream, closeIdle
// checks it again after negotiateTimeout.
func closeIdle(conn network.Conn) {
	if conn.IsClosed() {
		return
	}
	if len(conn.GetStreams()) == 0 {
		conn.Close()
		return
	}
	time.AfterFunc(negotiateTimeout, func() { closeIdle(conn) })
}

// InterceptPeerDial is never called: a listening host does not dial.
func (g *gate) InterceptPeerDial(ID) bool { return false }

// InterceptAddrDial is never called.
func (g *gate) InterceptAddrDial(ID, ma.Multiaddr) bool { return false }

// InterceptAccept accepts all connections, because the peer's ID is not known yet.
func (g *gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured accepts all connections: one that is refused here would be closed without an
// error code.
func (g *gate) InterceptSecured(network.Direction, ID, network.ConnMultiaddrs) bool { return true }
