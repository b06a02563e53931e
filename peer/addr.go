package peer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// DefaultPort is the TCP port to listen on when none is asked for.
const DefaultPort = 7420

// portsTried is how many ports, from DefaultPort on, are tried before any free
// one is taken.
const portsTried = 10

// ErrBadAddr means that the text given for where to listen is not an address:
// a mistake in the command line, not in the network.
var ErrBadAddr = errors.New("not an address to listen on")

// parseListen turns text into the addresses to listen on: one, or the IPv4 and
// the IPv6 one of the same port.
func parseListen(text string) ([]ma.Multiaddr, error) {
	if text == "" {
		return wildcard(DefaultPort), nil
	}
	fail := func(format string, args ...any) ([]ma.Multiaddr, error) {
		return nil, fmt.Errorf("%w: %q: %s", ErrBadAddr, text, fmt.Sprintf(format, args...))
	}
	if strings.HasPrefix(text, "/") {
		addr, err := ma.NewMultiaddr(text)
		if err != nil {
			return fail("%s", oneLine(err))
		}
		if name, ok := dnsName(addr); ok {
			return fail("it holds the host name %q and names are not looked up, give an IP address", name)
		}
		if err := checkTransport(addr); err != nil {
			return fail("%v", err)
		}
		return []ma.Multiaddr{addr}, nil
	}
	if port, ok := strings.CutPrefix(text, ":"); ok {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fail("the port must be a number from 0 to 65535")
		}
		return wildcard(int(number)), nil
	}
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return fail("expected a form such as :%d, 192.168.1.20:%[1]d or [::1]:%[1]d; names are not looked up", DefaultPort)
	}
	if addr.Addr().Zone() != "" {
		return fail("addresses with a zone (fe80::1%%eth0) are not supported")
	}
	return []ma.Multiaddr{tcpAddr(addr.Addr().Unmap(), int(addr.Port()))}, nil
}

// wildcard returns all addresses of this host at a TCP port.
func wildcard(port int) []ma.Multiaddr {
	return []ma.Multiaddr{tcpAddr(netip.IPv4Unspecified(), port), tcpAddr(netip.IPv6Unspecified(), port)}
}

func tcpAddr(ip netip.Addr, port int) ma.Multiaddr {
	family := "ip4"
	if ip.Is6() {
		family = "ip6"
	}
	// No text made of an IP address and a number fails to parse.
	return ma.StringCast(fmt.Sprintf("/%s/%s/tcp/%d", family, ip, port))
}

// listenNear listens at the port first, or at the next one that is free, on
// the addresses that at gives for a port.
func (n *node) listenNear(ctx context.Context, first int, at func(port int) []ma.Multiaddr) error {
	for port := first; port < first+portsTried; port++ {
		err := n.listen(ctx, at(port))
		if !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return n.listen(ctx, at(0))
}

// listen listens on all of addrs, or on none and returns an error. A host
// without IPv4 or without IPv6 does with the other one of a pair. Both of a pair
// have the same port, also if the system chooses it.
func (n *node) listen(ctx context.Context, addrs []ma.Multiaddr) error {
	// Another process may take the chosen port on the other family first.
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

func (n *node) listenOnce(addrs []ma.Multiaddr) error {
	var missing []error
	for _, addr := range addrs {
		if bound := n.swarm.ListenAddresses(); len(bound) > 0 && chosenBySystem(addr) {
			port, err := bound[0].ValueForProtocol(ma.P_TCP)
			if err != nil {
				return err
			}
			addr = ma.Join(addr[:1], ma.StringCast("/tcp/"+port))
		}
		err := n.swarm.AddListenAddr(addr)
		if err == nil {
			continue
		}
		if len(addrs) > 1 && noFamily(err) {
			missing = append(missing, err)
			continue
		}
		n.swarm.ListenClose(n.swarm.ListenAddresses()...)
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

// withID appends /p2p/ID to each of addrs.
func withID(id ID, addrs []ma.Multiaddr) []ma.Multiaddr {
	suffix := ma.StringCast("/p2p/" + id.String())
	out := make([]ma.Multiaddr, 0, len(addrs))
	for _, addr := range addrs {
		out = append(out, addr.Encapsulate(suffix))
	}
	return out
}

// isWildcard reports whether addr stands for all addresses of the host.
func isWildcard(addr ma.Multiaddr) bool { return manet.IsIPUnspecified(addr) }
