package lan

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// virtualPrefixes are the prefixes of names of interfaces to containers, virtual machines and
// tunnels. Hosts on the local network cannot reach this host through them. A host that listens
// on all addresses listens on them too.
var virtualPrefixes = []string{"docker", "br-", "veth", "virbr", "tun", "tap", "wg", "cni", "podman"}

func isVirtual(name string) bool {
	return slices.ContainsFunc(virtualPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// Reachable returns the addresses at which other hosts reach a host that listens on the given
// addresses, the best first. It replaces an unspecified address by the addresses of the host's
// interfaces, without those of containers, bridges and tunnels and without IPv6 link-local
// ones. Loopback addresses are last.
func Reachable(listening []ma.Multiaddr) []ma.Multiaddr {
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

// rank returns the position of an address in the order: IPv4 before IPv6, because it is shorter
// to type, and loopback last.
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

// interfaceAddrs returns the addresses of the interfaces that are up and not virtual, including
// loopback, without IPv6 link-local ones.
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

// ipOf returns the IP address at the start of addr.
func ipOf(addr ma.Multiaddr) (netip.Addr, bool) {
	ip, err := manet.ToIP(addr)
	if err != nil {
		return netip.Addr{}, false
	}
	parsed, ok := netip.AddrFromSlice(ip)
	if ok && len(addr) > 0 && addr[0].Protocol().Code == ma.P_IP4 {
		parsed = parsed.Unmap()
	}
	return parsed, ok
}

// portOf returns the port of addr if that is an IP address and a TCP port, and 0 otherwise.
func portOf(addr ma.Multiaddr) uint16 {
	if len(addr) != 2 || addr[1].Code() != ma.P_TCP {
		return 0
	}
	port, err := strconv.ParseUint(addr[1].Value(), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}
