package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// ErrBadTarget means that a text does not name a peer. The user mistyped it; the network was
// not used.
var ErrBadTarget = errors.New("not the address of a peer")

const (
	// TargetForm is an example of a target that needs no saved peer and no code, for help texts
	// and hints.
	TargetForm = "/ip4/192.168.1.20/tcp/7420/p2p/12D3Koo..."

	// maxTarget is the greatest length of the text of a target, in bytes.
	maxTarget = 512
)

// TargetKind says which fields of a [Target] are set.
type TargetKind int

const (
	// TargetPeer has an ID and an address. It can be dialed.
	TargetPeer TargetKind = iota
	// TargetName has the name of a saved peer, and optionally an address. The ID is in the
	// [Book], and so are addresses to dial if it has none.
	TargetName
	// TargetCode has a code, and optionally an address. [Pair] needs the address: without one
	// the caller must find the host first.
	TargetCode
	// TargetAddr has an address only. [Identify] returns the ID of the host there.
	TargetAddr
)

// Target is a peer to connect to: the ID, name or code that it must prove, and its address.
type Target struct {
	// Kind says which of the other fields are set.
	Kind TargetKind
	// ID is the ID that the peer must prove.
	ID ID
	// Addr is an IP address or a host name (see [Target.Resolve]) with a TCP port, without
	// /p2p/ID.
	Addr ma.Multiaddr
	// Name is the name of a saved peer.
	Name string
	// Code is the code that the other host shows.
	Code Code
}

// String returns the text that [ParseTarget] parses into t, except for the words of a code,
// which it hides.
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

// hostPort returns the address of t as HOST:PORT.
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

// ParseTarget parses a target as users write it:
//
//	NAME, NAME@HOST[:PORT]    a saved peer, where it was or at an address
//	CODE, CODE@HOST[:PORT]    a new peer, see [ParseCode]
//	HOST[:PORT], :PORT        any host at that address
//	ADDRESS/p2p/ID            /ip4/IP/tcp/PORT, /ip6/IP/tcp/PORT or /dns/NAME/tcp/PORT
//
// HOST is an IP address or a host name, which [Target.Resolve] looks up. An IPv6 address with a
// port is in brackets. Without an @ or a port, a text is a host name if it contains a dot or is
// "localhost", and otherwise the name of a peer. The port is [DefaultPort] if it is left out.
// :PORT is a port of this host. Errors wrap [ErrBadTarget], and also ErrBadCode if the text was
// meant as a code. They do not quote the words of a code.
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
	if mayBeCode(where) {
		return badTarget("%w: a code comes before the @, and an address after it", ErrBadCode)
	}
	if !found {
		if !mayBeCode(text) && strings.ContainsAny(text, ".:") || strings.EqualFold(text, thisHost) {
			addr, err := parseHost(text)
			return Target{Kind: TargetAddr, Addr: addr}.checked(err)
		}
		return parseWho(who, nil)
	}
	addr, err := parseHost(where)
	if err != nil {
		return badTarget("%v", err)
	}
	return parseWho(who, addr)
}

func badTarget(format string, args ...any) (Target, error) {
	return Target{}, fmt.Errorf("%w: %w; expected a form such as %s", ErrBadTarget, fmt.Errorf(format, args...), TargetForm)
}

// checked returns t, or an error that wraps ErrBadTarget if err is not nil.
func (t Target) checked(err error) (Target, error) {
	if err == nil {
		return t, nil
	}
	return badTarget("%v", err)
}

// parseWho parses a code or the name of a peer.
func parseWho(text string, addr ma.Multiaddr) (Target, error) {
	if mayBeCode(text) {
		if strings.ContainsAny(text, ".:,/") {
			return badTarget("%w: there is more in it than a number and two words; expected a form such as %s", ErrBadCode, CodeForm)
		}
		code, err := ParseCode(text)
		if err != nil {
			return Target{}, fmt.Errorf("%w: %w", ErrBadTarget, err)
		}
		return Target{Kind: TargetCode, Code: code, Addr: addr}, nil
	}
	name := strings.ToLower(text)
	if err := CheckName(name); err != nil {
		return badTarget("%q: %v", text, err)
	}
	return Target{Kind: TargetName, Name: name, Addr: addr}, nil
}

// parseHost parses the address of a peer, HOST[:PORT] or :PORT.
func parseHost(text string) (ma.Multiaddr, error) {
	addr, err := parsePlace(text)
	if err == nil {
		err = checkPlace(addr)
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return addr, nil
}

// parseAddress parses a multiaddr that ends with /p2p/ID.
func parseAddress(text string) (Target, error) {
	full, err := ma.NewMultiaddr(text)
	if err != nil {
		return badTarget("%q: %s", text, oneLine(err))
	}
	if name, ok := dnsName(full); ok && mayBeCode(name) { // do not print its words
		return badTarget("its host name looks like a code")
	}
	addr, id := lpeer.SplitAddr(full)
	if id == "" {
		return badTarget("%q lacks the /p2p/ID of the peer at its end", text)
	}
	if err := errors.Join(id.Validate(), checkPlace(addr)); err != nil {
		return badTarget("%q: %v", text, err)
	}
	return Target{ID: id, Addr: addr}, nil
}

// check returns an error if t has no valid ID or no address that can be dialed.
func (t Target) check() error {
	if err := t.ID.Validate(); err != nil {
		return err
	}
	return checkAddr(t.Addr)
}

// checkAddr returns an error if addr is not an IP address and TCP port that can be dialed.
func checkAddr(addr ma.Multiaddr) error {
	if _, ok := dnsName(addr); ok {
		return errors.New("its host name was not looked up")
	}
	return checkPlace(addr)
}

// checkPlace returns an error if addr is neither an address that can be dialed nor a host name
// and TCP port that can be looked up.
func checkPlace(addr ma.Multiaddr) error {
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
		return errors.New("an IPv6 link-local address cannot be dialed without an interface; give another address of that host")
	}
	if name, ok := dnsName(addr); ok {
		return checkHostName(name)
	}
	return nil
}

// checkTransport returns an error if addr is not an IP address or host name followed by a TCP
// port.
func checkTransport(addr ma.Multiaddr) error {
	_, named := dnsName(addr)
	if len(addr) < 2 || !named && addr[0].Code() != ma.P_IP4 && addr[0].Code() != ma.P_IP6 {
		return errors.New("it does not start with /ip4, /ip6 or /dns and a port")
	}
	if len(addr) > 2 || addr[1].Code() != ma.P_TCP {
		return errors.New("only /tcp/PORT is supported")
	}
	return nil
}

func tcpAddr(ip netip.Addr, port int) ma.Multiaddr {
	family := "ip4"
	if ip.Is6() {
		family = "ip6"
	}
	// Cannot fail for an IP address and a number.
	return ma.StringCast(fmt.Sprintf("/%s/%s/tcp/%d", family, ip, port))
}
