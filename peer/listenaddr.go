package peer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	ma "github.com/multiformats/go-multiaddr"
)

// DefaultPort is the TCP port to listen on if the user gives none.
const DefaultPort = 7420

// ErrBadAddr means that a text is not an address to listen on. The user mistyped it; the
// network was not used.
var ErrBadAddr = errors.New("not an address to listen on")

// parseListen returns the addresses to listen on: one address, the IPv4 and IPv6 wildcard
// addresses at one port, or the addresses of a host name, which it looks up.
func parseListen(ctx context.Context, text string) ([]ma.Multiaddr, error) {
	if text == "" {
		return wildcard(DefaultPort), nil
	}
	if port := strings.TrimPrefix(text, ":"); strings.Trim(port, "0123456789") == "" {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, badAddr(text, errors.New("the port must be a number from 0 to 65535"))
		}
		return wildcard(int(number)), nil
	}
	addr, err := parseListenPlace(text)
	if err != nil {
		return nil, badAddr(text, err)
	}
	name, ok := dnsName(addr)
	if !ok {
		return []ma.Multiaddr{addr}, nil
	}
	addrs, err := lookUp(ctx, addr)
	if err == nil && len(addrs) == 0 {
		err = errNoAddress
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("listen at %s: %s", text, noAddress(name, err))
	}
	return addrs, err
}

func badAddr(text string, err error) error {
	return fmt.Errorf("%w: %q: %w; expected a form such as %d, 192.168.1.20, localhost:%[4]d or [::1]:%[4]d", ErrBadAddr, text, err, DefaultPort)
}

// parseListenPlace parses an address or a host name, or a multiaddr of either.
func parseListenPlace(text string) (ma.Multiaddr, error) {
	if !strings.HasPrefix(text, "/") {
		return parsePlace(text)
	}
	addr, err := ma.NewMultiaddr(text)
	if err != nil {
		return nil, errors.New(oneLine(err))
	}
	return addr, checkTransport(addr)
}

// wildcard returns the IPv4 and IPv6 wildcard addresses at a TCP port.
func wildcard(port int) []ma.Multiaddr {
	return []ma.Multiaddr{tcpAddr(netip.IPv4Unspecified(), port), tcpAddr(netip.IPv6Unspecified(), port)}
}
