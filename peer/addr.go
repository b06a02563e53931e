package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	ma "github.com/multiformats/go-multiaddr"
)

// DefaultPort is the TCP port to listen on when none is asked for.
const DefaultPort = 7420

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
