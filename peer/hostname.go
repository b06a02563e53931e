package peer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/imgsend/imgsend/peer/internal/words"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// thisHost is the host name of a target that consists of a port only.
	thisHost = "localhost"

	// maxResolved is how many addresses of one host name are tried.
	maxResolved = 8
)

// Resolve returns the targets to dial for t, in the order in which to try them. If the address
// of t is a host name, they are t with each of up to eight addresses of that name, and
// otherwise t alone. It uses the system's resolver. The resolver is not trusted: the host at
// such an address must prove its key or a code like any other. The error is a [*DialError] that
// wraps [ErrUnreachable] if the name has no address, or wraps the cause of ctx if that ended.
func (t Target) Resolve(ctx context.Context) ([]Target, error) {
	name, ok := dnsName(t.Addr)
	if !ok {
		return []Target{t}, nil
	}
	addrs, err := lookUp(ctx, t.Addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("look up %s: %w", name, context.Cause(ctx))
		}
		return nil, &DialError{Target: t, Kind: ErrUnreachable, Reason: noAddress(name, err), Err: err}
	}
	var out []Target
	for _, addr := range addrs {
		at := t
		if at.Addr = addr; checkAddr(addr) == nil {
			out = append(out, at)
		}
	}
	if len(out) == 0 {
		return nil, &DialError{Target: t, Kind: ErrUnreachable, Reason: noAddress(name, errNoAddress), Err: errNoAddress}
	}
	return out[:min(len(out), maxResolved)], nil
}

var errNoAddress = errors.New("none that can be dialed")

func noAddress(name string, err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return name + " has no address: the system's resolver does not know it"
	}
	return fmt.Sprintf("%s has no address: %s", name, oneLine(err))
}

// lookUp returns the IP addresses of addr, which is /dns/NAME/tcp/PORT, or the same with dns4
// or dns6. It waits for at most [DefaultDialTimeout].
func lookUp(ctx context.Context, addr ma.Multiaddr) ([]ma.Multiaddr, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultDialTimeout)
	defer cancel()
	network, host, err := family(addr)
	if err != nil {
		return nil, err
	}
	port, err := addr.ValueForProtocol(ma.P_TCP)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return nil, err
	}
	var out []ma.Multiaddr
	for _, ip := range ips {
		if ip.IsLinkLocalUnicast() && ip.Is6() {
			continue // cannot be dialed without a zone
		}
		if addr := tcpAddr(ip.Unmap().WithZone(""), number); !slices.ContainsFunc(out, addr.Equal) {
			out = append(out, addr)
		}
	}
	return out, nil
}

// family returns the network name of package net for the first component of addr, and the host
// name in it.
func family(addr ma.Multiaddr) (network, host string, err error) {
	switch first := addr[0]; first.Code() {
	case ma.P_DNS:
		return "ip", first.Value(), nil
	case ma.P_DNS4:
		return "ip4", first.Value(), nil
	case ma.P_DNS6:
		return "ip6", first.Value(), nil
	default:
		return "", "", fmt.Errorf("%s is no host name", first.String())
	}
}

// dnsName returns the host name at the start of addr, or false if there is none.
func dnsName(addr ma.Multiaddr) (string, bool) {
	if len(addr) == 0 {
		return "", false
	}
	_, host, err := family(addr)
	return host, err == nil
}

// parsePlace parses HOST, HOST:PORT or :PORT. HOST is an IP address or a host name. An IPv6
// address with a port is in brackets. Without HOST it is localhost, and without PORT the port
// is [DefaultPort]. parsePlace does not look up host names. Errors do not quote text.
func parsePlace(text string) (ma.Multiaddr, error) {
	host, port := text, DefaultPort
	if at := strings.LastIndexByte(text, ':'); at >= 0 && !isIP(unbracket(text)) {
		n, err := strconv.ParseUint(text[at+1:], 10, 16)
		if err != nil {
			return nil, errors.New("the port must be a number from 0 to 65535")
		}
		host, port = cmp.Or(text[:at], thisHost), int(n)
	}
	ip, err := netip.ParseAddr(unbracket(host))
	switch {
	case err == nil && ip.Zone() != "":
		return nil, errors.New("addresses with a zone (fe80::1%eth0) are not supported")
	case err == nil:
		return tcpAddr(ip.Unmap(), port), nil
	}
	if err := checkHostName(host); err != nil {
		return nil, fmt.Errorf("it is neither an IP address nor a host name: %w", err)
	}
	return ma.NewMultiaddr(fmt.Sprintf("/dns/%s/tcp/%d", strings.ToLower(host), port))
}

func unbracket(host string) string {
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

func isIP(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// checkHostName returns an error if text is not a host name: labels of up to 63 letters,
// digits, - and _, joined by dots, 253 characters in all (RFC 1123, section 2.1). It refuses a
// name whose last label is a number, which is a mistyped IP address, and a text that looks like
// a code, so that no code is sent to a resolver.
func checkHostName(text string) error {
	if text == "" {
		return errors.New("it is empty")
	}
	if len(text) > 253 {
		return errors.New("it is longer than 253 characters")
	}
	if mayBeCode(text) {
		return errors.New("it looks like a code")
	}
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(text), "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || !isAlnum(label[0]) || !isAlnum(label[len(label)-1]) {
			return errors.New("each part of a host name has 1 to 63 characters and begins and ends with a letter or a digit")
		}
		for _, r := range label {
			if !isNameRune(r) {
				return errors.New("only a-z, 0-9, - and _ may be in it")
			}
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return errors.New("its last part is a number")
	}
	return nil
}

// mayBeCode reports whether text may have been meant as a code, followed by anything. It starts
// with a number and two words of codes, one of them perhaps mistyped, or consists of a number
// and a part after a separator.
func mayBeCode(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	if looksLikeCode(text) && !strings.ContainsAny(text, ".:") {
		return true
	}
	parts := strings.FieldsFunc(text, func(r rune) bool { return r >= 0x80 || !isAlnum(byte(r)) })
	if len(parts) < 3 || strings.Trim(parts[0], "0123456789") != "" || strings.ContainsAny(parts[1]+parts[2], "0123456789") {
		return false
	}
	_, first := words.Find(parts[1])
	_, second := words.Find(parts[2])
	return first && (second || words.Nearest(parts[2]) != "") || second && words.Nearest(parts[1]) != ""
}
