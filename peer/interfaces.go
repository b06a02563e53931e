package peer

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// virtualPrefixes start the names of interfaces that lead to containers,
// virtual machines and tunnels. A peer on the local network does not reach
// this host through them. Listening is not affected by this.
var virtualPrefixes = []string{"docker", "br-", "veth", "virbr", "tun", "tap", "wg", "cni", "podman"}

func isVirtual(name string) bool {
	return slices.ContainsFunc(virtualPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// expand replaces wildcards by the addresses of this host's interfaces, and
// puts loopback addresses last.
func expand(listening []ma.Multiaddr) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, addr := range listening {
		if !manet.IsIPUnspecified(addr) {
			out = append(out, addr)
			continue
		}
		_, rest := ma.SplitFirst(addr)
		for _, ip := range interfaceAddrs() {
			if ip.Is4() != (addr[0].Protocol().Code == ma.P_IP4) {
				continue
			}
			host, err := manet.FromIP(ip.AsSlice())
			if err == nil {
				out = append(out, host.Encapsulate(rest))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b ma.Multiaddr) int {
		return cmp.Compare(rank(a), rank(b))
	})
	return out
}

// rank orders addresses: IPv4 is the shortest to read and to type.
func rank(addr ma.Multiaddr) int {
	r := 0
	if addr[0].Protocol().Code == ma.P_IP6 {
		r = 1
	}
	if manet.IsIPLoopback(addr) {
		r += 2
	}
	return r
}

// interfaceAddrs returns the addresses of the interfaces that are up and real,
// and loopback.
func interfaceAddrs() []netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || isVirtual(i.Name) {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			if ip := prefix.Addr().Unmap(); !ip.IsLinkLocalUnicast() || ip.Is4() {
				out = append(out, ip)
			}
		}
	}
	return out
}
