// Package lan finds out where hosts are: [Announce] tells the local networks by
// multicast DNS that a host waits, and with which number of a code, and [Browse]
// asks which hosts wait.
//
// It speaks DNS-SD over multicast DNS (RFC 6763 and 6762), service
// "_imgsend._tcp". It sends multicasts to the two groups of multicast DNS, on real
// interfaces, and nothing else. An announcement is a hint where to dial: the
// limits on what others announce are in this package, and callers limit how many
// of the hosts and addresses they try.
//
// # What it does not do
//
// It proves nothing: anybody on a local network can announce any ID, name and
// number. It connects to nobody. It gives no unicast answer, not to those who
// ask for one either, and does not probe for its instance name, which is random.
// It does not speak on loopback, tunnels, and interfaces of containers and virtual
// machines. It is no DNS resolver.
//
// # Libraries that were judged
//
// golang.org/x/net/dns/dnsmessage packs and parses the messages, and
// golang.org/x/net has the sockets. When to send and what to believe is code of
// this package, because no library does what it promises:
//
//   - grandcat/zeroconf, libp2p/zeroconf, brutella/dnssd and pion/mdns send unicast
//     answers to the source of a question that asks for one, and hashicorp/mdns
//     sends no other answers. A source can be forged: somebody on the network
//     could make this host send packets anywhere.
//   - None of them limits how much it keeps of what one other host announces.
//   - All but brutella/dnssd keep to the interfaces that exist when they start.
//   - hashicorp/mdns and pion/mdns, which have recent releases, do not say goodbye.
package lan
