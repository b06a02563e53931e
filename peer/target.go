package peer

import (
	"errors"
	"fmt"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// ErrBadTarget means that the text given for a peer does not name one: a
// mistake in the command line, not in the network.
var ErrBadTarget = errors.New("not the address of a peer")

const (
	// TargetForm shows what [ParseTarget] accepts, for help texts and hints.
	TargetForm = "/ip4/192.168.1.20/tcp/7420/p2p/12D3Koo..."

	// maxTarget bounds the text of a target, in bytes.
	maxTarget = 512
)

// Target is a peer to dial: who it must turn out to be, and where it is.
type Target struct {
	// ID is the peer that must answer.
	ID ID
	// Addr is where: an IP address and a TCP or QUIC port, without the ID.
	Addr ma.Multiaddr
}

// String returns the text that [ParseTarget] turns into t.
func (t Target) String() string {
	if t.Addr == nil {
		return "/p2p/" + t.ID.String()
	}
	return t.Addr.String() + "/p2p/" + t.ID.String()
}

// ParseTarget reads a target as people write it: an address with a peer ID,
// /ip4 or /ip6, then /tcp/PORT or /udp/PORT/quic-v1, then /p2p/ID. Errors wrap
// [ErrBadTarget].
func ParseTarget(text string) (Target, error) {
	fail := func(format string, args ...any) (Target, error) {
		return Target{}, fmt.Errorf("%w: %s; expected a form such as %s", ErrBadTarget, fmt.Sprintf(format, args...), TargetForm)
	}
	switch {
	case text == "":
		return fail("it is empty")
	case len(text) > maxTarget:
		return fail("it is longer than %d bytes", maxTarget)
	case text[0] != '/':
		return fail("%q", text)
	}
	full, err := ma.NewMultiaddr(text)
	if err != nil {
		return fail("%q: %s", text, oneLine(err))
	}
	if name, ok := dnsName(full); ok {
		return fail("%q holds the host name %q and names are not looked up, give an IP address", text, name)
	}
	addr, id := lpeer.SplitAddr(full)
	if id == "" {
		return fail("%q lacks the /p2p/ID of the peer at its end", text)
	}
	target := Target{ID: id, Addr: addr}
	if err := target.check(); err != nil {
		return fail("%q: %v", text, err)
	}
	return target, nil
}

// check reports why t cannot be dialed.
func (t Target) check() error {
	if err := t.ID.Validate(); err != nil {
		return err
	}
	if err := checkTransport(t.Addr); err != nil {
		return err
	}
	port, err := t.Addr.ValueForProtocol(portProtocol(t.Addr))
	switch {
	case err != nil:
		return err
	case port == "0":
		return errors.New("port 0 cannot be dialed")
	case manet.IsIPUnspecified(t.Addr):
		return errors.New("the unspecified address is where a host listens, not where it is reached")
	case manet.IsIP6LinkLocal(t.Addr):
		return errors.New("an IPv6 link-local address says nothing without an interface, give another address of that host")
	}
	return nil
}

// dnsName returns the first host name in addr.
func dnsName(addr ma.Multiaddr) (string, bool) {
	for _, c := range addr {
		switch c.Protocol().Code {
		case ma.P_DNS, ma.P_DNS4, ma.P_DNS6, ma.P_DNSADDR:
			return c.Value(), true
		}
	}
	return "", false
}

// checkTransport accepts IP/tcp and IP/udp/quic-v1 and nothing more.
func checkTransport(addr ma.Multiaddr) error {
	var codes []int
	for _, c := range addr {
		codes = append(codes, c.Protocol().Code)
	}
	if len(codes) < 2 || (codes[0] != ma.P_IP4 && codes[0] != ma.P_IP6) {
		return errors.New("it does not start with /ip4 or /ip6 and a port")
	}
	switch {
	case len(codes) == 2 && codes[1] == ma.P_TCP:
		return nil
	case len(codes) == 3 && codes[1] == ma.P_UDP && codes[2] == ma.P_QUIC_V1:
		return nil
	}
	return errors.New("only /tcp/PORT and /udp/PORT/quic-v1 are spoken")
}

// isQUIC reports whether addr, which passed checkTransport, is a QUIC address.
func isQUIC(addr ma.Multiaddr) bool { return len(addr) == 3 }

func portProtocol(addr ma.Multiaddr) int {
	if isQUIC(addr) {
		return ma.P_UDP
	}
	return ma.P_TCP
}
