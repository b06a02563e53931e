package door

import (
	"strings"

	"github.com/imgsend/imgsend/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// sayAddresses says where this host waits: HOST:PORT, by which a saved peer knows it a saved peer
// or asks for the code. Where neither does, the address has this host's key in it.
func (d *Door) sayAddresses(host *peer.Host) {
	var texts []string
	long := d.takesStrangers()
	addrs := beyondLoopback(host.Addrs())
	if !long {
		for _, a := range addrs {
			place, _ := ma.SplitLast(a)
			texts = append(texts, peer.Target{Kind: peer.TargetAddr, Addr: place}.String())
		}
	}
	if long || d.Voice.Verbose {
		for _, a := range addrs {
			texts = append(texts, a.String())
		}
	}
	for i, t := range texts {
		if i == 0 {
			d.Voice.Sayf("by its address:    %s %s", d.Way.Command, t)
			continue
		}
		d.Voice.Sayf("  or %s %s", d.Way.Command[strings.LastIndexByte(d.Way.Command, ' ')+1:], t)
	}
}

// beyondLoopback leaves out the addresses that only this host can reach, unless there are
// no others.
func beyondLoopback(addrs []ma.Multiaddr) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, a := range addrs {
		if !manet.IsIPLoopback(a) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return addrs
	}
	return out
}

// onlyHere returns "@HOST:PORT" for a host that only this one can reach, and that
// nobody finds by its announcements: those do not go out on loopback.
func onlyHere(addrs []ma.Multiaddr) string {
	if len(addrs) == 0 || !manet.IsIPLoopback(beyondLoopback(addrs)[0]) {
		return ""
	}
	place, _ := ma.SplitLast(addrs[0])
	return "@" + peer.Target{Kind: peer.TargetAddr, Addr: place}.String()
}
