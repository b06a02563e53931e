package peer

import (
	"context"
	"net/netip"

	"github.com/imgsend/imgsend/peer/internal/stack"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

// Limits that tests reach for.
const (
	MaxWaiting = maxWaiting
	MaxConns   = stack.MaxConns
)

// Path returns where the file is or will be.
func (b *Book) Path() string { return b.path }

// ListenNear is Listen with an empty Addr, but for the first port to try and
// the addresses.
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

// NewSwarm returns a libp2p network with our transports and nobody in charge,
// to play other programs with, and what closes it.
func NewSwarm(key crypto.PrivKey) (*swarm.Swarm, func() error, error) {
	n, err := stack.New(key, nil, DefaultDialTimeout)
	if err != nil {
		return nil, nil, err
	}
	return n.Swarm, n.Close, nil
}
