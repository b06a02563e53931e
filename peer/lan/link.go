package lan

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// link is an interface of this host to a local network.
type link struct {
	iface    net.Interface
	v4, v6   bool           // the address families in which it carries multicast DNS
	prefixes []netip.Prefix // its addresses, each with the prefix length of its network
}

// moreVirtualPrefixes are further prefixes for isLAN. Other hosts may reach this host through
// these interfaces, but they lead to no local network for multicast.
var moreVirtualPrefixes = []string{"vmnet", "vboxnet", "lxcbr", "lxdbr", "cali", "flannel", "kube", "utun", "tailscale", "zt"}

// isLAN reports whether an interface may lead to other hosts: it is up, supports multicast, and
// is no loopback, no tunnel, and no interface of containers or virtual machines.
func isLAN(i net.Interface) bool {
	const wanted = net.FlagUp | net.FlagMulticast
	return i.Flags&wanted == wanted && i.Flags&(net.FlagLoopback|net.FlagPointToPoint) == 0 && !isVirtual(i.Name) &&
		!slices.ContainsFunc(moreVirtualPrefixes, func(prefix string) bool { return strings.HasPrefix(i.Name, prefix) })
}

// listLinks returns the interfaces that have an address and for which usable returns true.
func listLinks(usable func(net.Interface) bool) ([]link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var out []link
	for _, i := range interfaces {
		if !usable(i) {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // the interface was just removed
		}
		l := link{iface: i}
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			l.prefixes = append(l.prefixes, prefix)
			l.v4 = l.v4 || prefix.Addr().Is4()
			l.v6 = l.v6 || prefix.Addr().Is6()
		}
		if l.v4 || l.v6 {
			slices.SortFunc(l.prefixes, netip.Prefix.Compare)
			out = append(out, l)
		}
	}
	return out, nil
}

func (l link) equal(other link) bool {
	return l.iface.Index == other.iface.Index && l.iface.Name == other.iface.Name &&
		l.v4 == other.v4 && l.v6 == other.v6 && slices.Equal(l.prefixes, other.prefixes)
}

// owns reports whether this host has the address ip on the link.
func (l link) owns(ip netip.Addr) bool {
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Addr() == ip })
}

// reaches reports whether ip is in a network of the link.
func (l link) reaches(ip netip.Addr) bool {
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool {
		if p.Addr().Is6() && p.IsSingleIP() {
			// DHCPv6 assigns single addresses (/128) of a /64 network.
			p = netip.PrefixFrom(p.Addr(), 64)
		}
		return p.Masked().Contains(ip)
	})
}

// own returns the addresses in addrs that this host has on the link, without /p2p/ID and at
// most maxAddrs.
func (l link) own(addrs []ma.Multiaddr) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, full := range addrs {
		addr, _ := lpeer.SplitAddr(full)
		if portOf(addr) == 0 {
			continue
		}
		if ip, ok := ipOf(addr); ok && l.owns(ip) && (ip.Is4() || !ip.IsLinkLocalUnicast()) && len(out) < maxAddrs {
			out = append(out, addr)
		}
	}
	return out
}

// reachable returns the addresses in addrs that are in a network of the link. It leaves out
// IPv6 link-local ones, which cannot be dialed without a zone.
func (l link) reachable(addrs []ma.Multiaddr) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, addr := range addrs {
		if ip, ok := ipOf(addr); ok && l.reaches(ip) && (ip.Is4() || !ip.IsLinkLocalUnicast()) {
			out = append(out, addr)
		}
	}
	return out
}
