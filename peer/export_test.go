package peer

import (
	"context"
	"net/netip"

	"github.com/imgsend/imgsend/peer/internal/stack"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

// Limits for tests.
const (
	MaxWaiting = maxWaiting
	MaxConns   = stack.MaxConns
)

// Path returns the path of the file.
func (b *Book) Path() string { return b.path }

// ListenNear is Listen with an empty Addr, and with another first port and other addresses.
func ListenNear(ctx context.Context, key crypto.PrivKey, first int, ips ...netip.Addr) (*Host, error) {
	h, err := newHost(key, ListenConfig{})
	if err != nil {
		return nil, err
	}
	err = h.node.ListenNear(ctx, first, func(port int) (addrs []ma.Multiaddr) {
		for _, ip := range ips {
			addrs = append(addrs, tcpAddr(ip, port))
		}
		return addrs
	})
	if err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// NewSwarm returns a libp2p network with this package's transport and no gater, to act as
// another program, and a function that closes it.
func NewSwarm(key crypto.PrivKey) (*swarm.Swarm, func() error, error) {
	n, err := stack.New(key, nil, DefaultDialTimeout)
	if err != nil {
		return nil, nil, err
	}
	return n.Swarm, n.Close, nil
}
