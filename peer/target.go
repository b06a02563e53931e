package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// ErrBadTarget means that the text given for a peer does not name one: a
// mistake in the command line, not in the network.
var ErrBadTarget = errors.New("not the address of a peer")

const (
	// TargetForm shows the form of a target that always works, for help texts
	// and hints.
	TargetForm = "/ip4/192.168.1.20/tcp/7420/p2p/12D3Koo..."

	// maxTarget bounds the text of a target, in bytes.
	maxTarget = 512
)

// TargetKind says what is known of a target.
type TargetKind int

const (
	// TargetPeer is an ID and an address. It can be dialed.
	TargetPeer TargetKind = iota
	// TargetName is the name of a saved peer, and perhaps an address. The ID
	// is in the [Book], and so is an address if there is none here.
	TargetName
	// TargetCode is a code, and perhaps an address. With an address it can be
	// given to [Pair]; without one somebody has to find the host first.
	TargetCode
	// TargetAddr is an address and nothing else. [Identify] tells who is there.
	TargetAddr
)

// Target is a peer to reach: who it must turn out to be, and where it is.
type Target struct {
	// Kind says which of the others are set.
	Kind TargetKind
	// ID is the peer that must answer.
	ID ID
	// Addr is where: an IP address and a TCP port, without the ID.
	Addr ma.Multiaddr
	// Name is that of a saved peer.
	Name string
	// Code is what the other side must know.
	Code Code
}

// String returns the text that [ParseTarget] turns into t, but for the secret
// words of a code.
func (t Target) String() string {
	switch t.Kind {
	case TargetName:
		return t.Name + t.atAddr()
	case TargetCode:
		return t.Code.String() + t.atAddr()
	case TargetAddr:
		return t.hostPort()
	}
	if t.Addr == nil {
		return "/p2p/" + t.ID.String()
	}
	return t.Addr.String() + "/p2p/" + t.ID.String()
}

func (t Target) atAddr() string {
	if t.Addr == nil {
		return ""
	}
	return "@" + t.hostPort()
}

// hostPort returns HOST:PORT for the address that such a text was made into.
func (t Target) hostPort() string {
	if t.Addr == nil {
		return ""
	}
	_, address, err := manet.DialArgs(t.Addr)
	if err != nil {
		return t.Addr.String()
	}
	return address
}

// ParseTarget reads a target as people write it:
//
//	NAME, NAME@HOST[:PORT]    a saved peer, where it was or at an address
//	CODE, CODE@HOST[:PORT]    a new peer, see [ParseCode]
//	HOST[:PORT]               whoever is there
//	ADDRESS/p2p/ID            /ip4/IP/tcp/PORT or /ip6/IP/tcp/PORT
//
// HOST is an IP address, in brackets if it is an IPv6 one with a port; the port
// is [DefaultPort] if it is left out. Names are not looked up: there is no DNS
// here. Errors wrap [ErrBadTarget], and ErrBadCode if a code is what was meant;
// they do not quote the words of a code.
func ParseTarget(text string) (Target, error) {
	switch {
	case text == "":
		return badTarget("it is empty")
	case len(text) > maxTarget:
		return badTarget("it is longer than %d bytes", maxTarget)
	case text[0] == '/':
		return parseAddress(text)
	}
	who, where, found := strings.Cut(text, "@")
	if !found {
		if addr, ok, err := parseHost(text); ok || err != nil {
			return Target{Kind: TargetAddr, Addr: addr}.checked(err)
		}
		return parseWho(who, nil)
	}
	addr, ok, err := parseHost(where)
	if err == nil && !ok {
		err = fmt.Errorf("%q is no IP address and names are not looked up, give an IP address", where)
	}
	if err != nil {
		return badTarget("%v", err)
	}
	return parseWho(who, addr)
}

func badTarget(format string, args ...any) (Target, error) {
	return Target{}, fmt.Errorf("%w: %s; expected a form such as %s", ErrBadTarget, fmt.Sprintf(format, args...), TargetForm)
}

// checked returns t, or the error that says why it cannot be.
func (t Target) checked(err error) (Target, error) {
	if err == nil {
		return t, nil
	}
	return badTarget("%v", err)
}

// parseWho reads a code or the name of a peer.
func parseWho(text string, addr ma.Multiaddr) (Target, error) {
	if looksLikeCode(strings.TrimSpace(text)) {
		code, err := ParseCode(text)
		if err != nil {
			return Target{}, fmt.Errorf("%w: %w", ErrBadTarget, err)
		}
		return Target{Kind: TargetCode, Code: code, Addr: addr}, nil
	}
	name := strings.ToLower(text)
	if err := CheckName(name); err != nil {
		if strings.ContainsAny(text, ".:") {
			err = errors.New("names are not looked up, give an IP address")
		}
		return badTarget("%q: %v", text, err)
	}
	return Target{Kind: TargetName, Name: name, Addr: addr}, nil
}

// parseHost reads HOST[:PORT]; ok is false if text is nothing like it.
func parseHost(text string) (addr ma.Multiaddr, ok bool, err error) {
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		bare := text
		if inner, cut := strings.CutPrefix(text, "["); cut {
			bare, _ = strings.CutSuffix(inner, "]")
		}
		ip, err := netip.ParseAddr(bare)
		if err != nil {
			return nil, false, nil
		}
		at = netip.AddrPortFrom(ip, DefaultPort)
	}
	if at.Addr().Zone() != "" {
		return nil, true, fmt.Errorf("%q: addresses with a zone (fe80::1%%eth0) are not supported", text)
	}
	addr = tcpAddr(at.Addr().Unmap(), int(at.Port()))
	if err := checkAddr(addr); err != nil {
		return nil, true, fmt.Errorf("%q: %w", text, err)
	}
	return addr, true, nil
}

// parseAddress reads a multiaddr with an ID.
func parseAddress(text string) (Target, error) {
	full, err := ma.NewMultiaddr(text)
	if err != nil {
		return badTarget("%q: %s", text, oneLine(err))
	}
	if name, ok := dnsName(full); ok {
		return badTarget("%q holds the host name %q and names are not looked up, give an IP address", text, name)
	}
	addr, id := lpeer.SplitAddr(full)
	if id == "" {
		return badTarget("%q lacks the /p2p/ID of the peer at its end", text)
	}
	target := Target{ID: id, Addr: addr}
	if err := target.check(); err != nil {
		return badTarget("%q: %v", text, err)
	}
	return target, nil
}

// check reports why t cannot be dialed.
func (t Target) check() error {
	if err := t.ID.Validate(); err != nil {
		return err
	}
	return checkAddr(t.Addr)
}

// checkAddr reports why addr cannot be dialed.
func checkAddr(addr ma.Multiaddr) error {
	if err := checkTransport(addr); err != nil {
		return err
	}
	port, err := addr.ValueForProtocol(ma.P_TCP)
	switch {
	case err != nil:
		return err
	case port == "0":
		return errors.New("port 0 cannot be dialed")
	case manet.IsIPUnspecified(addr):
		return errors.New("the unspecified address is where a host listens, not where it is reached")
	case manet.IsIP6LinkLocal(addr):
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

// checkTransport accepts IP/tcp and nothing more.
func checkTransport(addr ma.Multiaddr) error {
	if len(addr) < 2 || (addr[0].Code() != ma.P_IP4 && addr[0].Code() != ma.P_IP6) {
		return errors.New("it does not start with /ip4 or /ip6 and a port")
	}
	if len(addr) > 2 || addr[1].Code() != ma.P_TCP {
		return errors.New("only /tcp/PORT is supported")
	}
	return nil
}

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
