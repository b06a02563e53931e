package door

import (
	"strings"

	"github.com/imgsend/imgsend/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// sayAddresses prints the addresses that host listens on. HOST:PORT is enough for a saved peer
// and for a peer that asks its user for the code. If a peer may connect that is not saved and
// has no code, each address also contains the ID of this host.
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

// beyondLoopback returns the addresses that are not loopback, or all of them if every address
// is loopback.
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

// onlyHere returns "@HOST:PORT" if the host listens on loopback only, and "" otherwise. A
// dialer needs the address then, because hosts are not announced on loopback.
func onlyHere(addrs []ma.Multiaddr) string {
	if len(addrs) == 0 || !manet.IsIPLoopback(beyondLoopback(addrs)[0]) {
		return ""
	}
	place, _ := ma.SplitLast(addrs[0])
	return "@" + peer.Target{Kind: peer.TargetAddr, Addr: place}.String()
}
