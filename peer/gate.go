package peer

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// Policy decides who gets in. The zero Policy lets nobody in. Its functions are
// called at any time and from several goroutines.
type Policy struct {
	// Allow reports whether a peer may do what this host listens for; nil is nobody.
	// [Book.May] is what it asks.
	Allow func(ID) bool

	// Known reports whether a peer is known that Allow does not let in; nil is nobody. It
	// may connect, to hear that it lacks the right, and do nothing else, unless Strangers lets
	// it in like anybody.
	Known func(ID) bool

	// Strangers reports whether a peer that Allow does not let in may come in
	// now; nil is never. At most one stranger is in at a time, however many
	// are let in one after the other: its place is free again when its
	// connection is closed. It may come back before that: then its first
	// connection is closed.
	Strangers func() bool

	// Refused, if not nil, is told whom Allow does not let in, and where from it came,
	// when it is turned away. It must not wait.
	Refused func(id ID, from ma.Multiaddr)
}

// gate is the connection gater of a listening host.
type gate struct {
	policy Policy

	mu       sync.Mutex
	stranger network.Conn // the last stranger let in
	pairOnly bool         // it may do nothing but pair
	pairing  *Pairing     // the code that is out, or nil
}

var _ connmgr.ConnectionGater = (*gate)(nil)

// InterceptUpgraded is where a connection is judged: the peer has proven its
// key, and a connection that is turned away here is closed with the code
// network.ConnGated, which tells the dialer that it was refused.
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
		go old.Close() // it has come back: that line is broken
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

// refused tells who is turned away.
func (g *gate) refused(conn network.Conn) {
	if g.policy.Refused != nil {
		g.policy.Refused(conn.RemotePeer(), conn.RemoteMultiaddr())
	}
}

// turnAway closes the connection of a peer that may not have a stream to transfer on,
// and tells it whether it is unknown or lacks the right.
func (g *gate) turnAway(conn network.Conn) {
	code := network.ConnGated
	if g.policy.Known != nil && g.policy.Known(conn.RemotePeer()) {
		g.refused(conn)
		code = connNoRight
	}
	_ = conn.CloseWithError(code)
}

// allows reports whether a peer needs no code and nobody's leave.
func (g *gate) allows(id ID) bool {
	return g.policy.Allow != nil && g.policy.Allow(id)
}

// mayTransfer reports whether conn may have a stream to transfer on. It asks
// the policy anew: a peer may have been forgotten since it connected, or paired.
func (g *gate) mayTransfer(conn network.Conn) bool {
	g.mu.Lock()
	stranger := g.stranger == conn && !g.pairOnly
	g.mu.Unlock()
	return stranger || g.allows(conn.RemotePeer())
}

// offer puts a code out, unless there is one.
func (g *gate) offer(p *Pairing) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pairing != nil {
		return false
	}
	g.pairing = p
	return true
}

// withdraw takes back what offer put out.
func (g *gate) withdraw(p *Pairing) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pairing == p {
		g.pairing = nil
	}
}

// offered returns the code that is out, or nil.
func (g *gate) offered() *Pairing {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pairing
}

// isStranger reports whether conn was let in as the one stranger.
func (g *gate) isStranger(conn network.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stranger == conn
}

// closeIdle closes a connection that has no stream, and looks again later at
// one that has.
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

// InterceptPeerDial never applies: a listening host does not dial.
func (g *gate) InterceptPeerDial(ID) bool { return false }

// InterceptAddrDial never applies either.
func (g *gate) InterceptAddrDial(ID, ma.Multiaddr) bool { return false }

// InterceptAccept lets everybody try: who it is, is not known yet.
func (g *gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured lets everybody pass: a connection refused here would be
// closed without a word.
func (g *gate) InterceptSecured(network.Direction, ID, network.ConnMultiaddrs) bool { return true }
