package stack

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	ma "github.com/multiformats/go-multiaddr"
)

// portsTried is the number of ports that ListenNear tries before it lets the system choose one.
const portsTried = 10

// ListenNear listens at the port first, or at one of the next ports if it is in use, or at any
// free port. at returns the addresses for a port.
func (n *Node) ListenNear(ctx context.Context, first int, at func(port int) []ma.Multiaddr) error {
	for port := first; port < first+portsTried; port++ {
		err := n.Listen(ctx, at(port))
		if !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return n.Listen(ctx, at(0))
}

// Listen listens on all of addrs, or returns an error and listens on none. Of an IPv4 and an
// IPv6 address it leaves out the one whose family this host lacks. If the port is 0, both get
// the same port.
func (n *Node) Listen(ctx context.Context, addrs []ma.Multiaddr) error {
	// Another process may take the chosen port in the other family.
	const attempts = 10
	var err error
	for range attempts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err = n.listenOnce(addrs); err == nil || !chosenBySystem(addrs[0]) {
			return err
		}
	}
	return err
}

func (n *Node) listenOnce(addrs []ma.Multiaddr) error {
	var missing []error
	for _, addr := range addrs {
		if bound := n.Swarm.ListenAddresses(); len(bound) > 0 && chosenBySystem(addr) {
			port, err := bound[0].ValueForProtocol(ma.P_TCP)
			if err != nil {
				return err
			}
			addr = ma.Join(addr[:1], ma.StringCast("/tcp/"+port))
		}
		err := n.Swarm.AddListenAddr(addr)
		if err == nil {
			continue
		}
		if len(addrs) > 1 && noFamily(err) {
			missing = append(missing, err)
			continue
		}
		n.Swarm.ListenClose(n.Swarm.ListenAddresses()...)
		return fmt.Errorf("%s: %w", addr, err)
	}
	if len(missing) == len(addrs) {
		return errors.Join(missing...)
	}
	return nil
}

// noFamily reports whether err says that this host lacks IPv4 or IPv6.
func noFamily(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

func chosenBySystem(addr ma.Multiaddr) bool {
	port, err := addr.ValueForProtocol(ma.P_TCP)
	return err == nil && port == "0"
}
