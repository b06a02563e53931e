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

// DefaultPort is the TCP port to listen on when none is asked for.
const DefaultPort = 7420

// ErrBadAddr means that the text given for where to listen is not an address:
// a mistake in the command line, not in the network.
var ErrBadAddr = errors.New("not an address to listen on")

// parseListen turns text into the addresses to listen on: one, the IPv4 and the
// IPv6 one of the same port, or those of a host name, which it looks up.
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

// parseListenPlace reads an address or a host name, as a multiaddr or not.
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

// wildcard returns all addresses of this host at a TCP port.
func wildcard(port int) []ma.Multiaddr {
	return []ma.Multiaddr{tcpAddr(netip.IPv4Unspecified(), port), tcpAddr(netip.IPv6Unspecified(), port)}
}
