package stack

import (
	"context"
	"net"

	"github.com/libp2p/go-libp2p/core/network"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/net/netutil"
)

// tcpTransport is a libp2p transport over TCP. It differs from libp2p's own:
//
//   - Sockets close in order. libp2p's reset the connection, which drops data that the kernel
//     has not sent yet, such as the reason of a refusal or the last message of a process.
//   - Sockets do not share ports (SO_REUSEPORT), so a port in use is an error, and a dial does
//     not use the listening port as its source.
//   - Connections beyond MaxConns wait and are not dropped.
//   - An accepted connection lets the dialer close first, see politeConn.
//   - The kernel gives up a dead connection after lostAfter.
type tcpTransport struct {
	upgrader transport.Upgrader
	limits   network.ResourceManager
}

var _ transport.Transport = (*tcpTransport)(nil)

// tcpKeepAlive makes the kernel probe an idle connection, and give it up if there is no answer
// for lostAfter.
var tcpKeepAlive = net.KeepAliveConfig{Enable: true, Idle: lostAfter / 4, Interval: lostAfter / 4, Count: 3}

func (t *tcpTransport) Dial(ctx context.Context, addr ma.Multiaddr, id lpeer.ID) (transport.CapableConn, error) {
	scope, err := t.limits.OpenConnection(network.DirOutbound, true, addr)
	if err != nil {
		return nil, err
	}
	if err := scope.SetPeer(id); err != nil {
		scope.Done()
		return nil, err
	}
	dialer := manet.Dialer{Dialer: net.Dialer{KeepAliveConfig: tcpKeepAlive, Control: setTimeouts}}
	conn, err := dialer.DialContext(ctx, addr)
	if err != nil {
		scope.Done()
		return nil, err
	}
	// Upgrade closes conn and releases scope if it fails.
	return t.upgrader.Upgrade(ctx, t, conn, network.DirOutbound, id, scope)
}

func (t *tcpTransport) Listen(addr ma.Multiaddr) (transport.Listener, error) {
	network, address, err := manet.DialArgs(addr)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{KeepAliveConfig: tcpKeepAlive, Control: setTimeouts}
	socket, err := config.Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	listener, err := manet.WrapNetListener(netutil.LimitListener(politeListener{socket}, MaxConns))
	if err != nil {
		socket.Close()
		return nil, err
	}
	return t.upgrader.UpgradeGatedMaListener(t, t.upgrader.GateMaListener(listener)), nil
}

func (t *tcpTransport) CanDial(addr ma.Multiaddr) bool {
	return len(addr) == 2 && addr[1].Code() == ma.P_TCP
}

func (t *tcpTransport) Protocols() []int { return []int{ma.P_TCP} }

func (t *tcpTransport) Proxy() bool { return false }
