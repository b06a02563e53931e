// Package lan finds hosts on local networks by multicast DNS: [Announce] announces that a host
// listens and the number of its code, and [Browse] asks which hosts listen.
//
// It uses DNS-SD over multicast DNS (RFC 6763 and 6762) with the service "_imgsend._tcp". It
// sends only to the two multicast groups of multicast DNS, and only on real interfaces. An
// announcement is a hint where to dial. This package limits what other hosts can make it store,
// and callers limit how many of the hosts and addresses they try.
//
// # What it does not do
//
// It proves nothing: any host on a local network can announce any ID, name and number. It
// connects to no host. It sends no unicast answers, even to questions that ask for one, and
// does not probe for its instance name, which is random. It does not use loopback, tunnels, and
// interfaces of containers and virtual machines. It is no DNS resolver.
//
// # Libraries that were considered
//
// golang.org/x/net/dns/dnsmessage packs and parses the messages, and golang.org/x/net provides
// the sockets. This package decides itself when to send and what to accept, because no library
// meets its requirements:
//
//   - grandcat/zeroconf, libp2p/zeroconf, brutella/dnssd and pion/mdns send unicast
//     answers to the source of a question that asks for one, and hashicorp/mdns
//     sends no other answers. A source can be forged: an attacker on the network
//     could make this host send packets anywhere.
//   - None of them limits how much it keeps of what one other host announces.
//   - All but brutella/dnssd keep to the interfaces that exist when they start.
//   - hashicorp/mdns and pion/mdns, which have recent releases, do not say goodbye.
package lan
