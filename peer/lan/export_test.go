package lan

import (
	"net"
	"net/netip"
	"time"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/net/dns/dnsmessage"
)

// Names and limits for tests.
const (
	Service       = service
	RecordTTL     = recordTTL
	MaxSeen       = maxSeen
	MaxSeenSource = maxSeenSource
	MaxSeenID     = maxSeenID
	MaxAddrs      = maxAddrs
	MaxRecords    = maxRecords
	MaxName       = maxLabel
	MaxNameplate  = maxNameplate
)

// BrowseOn is Browse on other interfaces.
func BrowseOn(usable func(net.Interface) bool) (*Browser, error) { return browseOn(usable) }

// AnnounceOn is Announce on other interfaces.
func AnnounceOn(id lpeer.ID, a Announcement, usable func(net.Interface) bool) (*Announcer, error) {
	return announceOn(id, a, usable)
}

// Interfaces returns the names of the interfaces on which a host is announced that
// listens on all of its addresses.
func (an *Announcer) Interfaces() []string { return names(an.groups.current()) }

// IsLAN is isLAN.
func IsLAN(i net.Interface) bool { return isLAN(i) }

// IsVirtual is isVirtual.
func IsVirtual(name string) bool { return isVirtual(name) }

// Record is a record.
type Record struct {
	Label     string
	ID        lpeer.ID
	Name      string
	Nameplate string
	Offers    bool
	Addrs     []ma.Multiaddr
	TTL       time.Duration
}

func (r Record) inside() record {
	return record{r.Label, r.ID, r.Name, r.Nameplate, r.Offers, r.Addrs, r.TTL}
}

// Pack is record.pack.
func (r Record) Pack() ([]byte, error) { return r.inside().pack() }

// TXT is record.txt.
func (r Record) TXT() []string { return r.inside().txt() }

// ParseRecords is parseRecords.
func ParseRecords(packet []byte) []Record {
	var out []Record
	for _, r := range parseRecords(packet) {
		out = append(out, Record{r.label, r.id, r.name, r.nameplate, r.offers, r.addrs, r.ttl})
	}
	return out
}

// PackTXT returns an announcement with any TXT record.
func PackTXT(label string, ttl uint32, texts ...string) ([]byte, error) {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}}
	m.Answers = append(m.Answers, dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(label + "." + service), Class: dnsmessage.ClassINET, TTL: ttl},
		Body:   &dnsmessage.TXTResource{TXT: texts},
	})
	return m.Pack()
}

// PackQuestion is packQuestion.
func PackQuestion() ([]byte, error) { return packQuestion() }

// AsksFor is asksFor.
func AsksFor(packet []byte, label string) bool { return asksFor(packet, label) }

// Seen is the set of announcements received on one link with the networks 10.73.0.0/24 and
// fd73::/64.
type Seen struct {
	seen *seen
	link link
}

// NewSeen returns an empty Seen.
func NewSeen() *Seen {
	k := link{iface: net.Interface{Index: 1, Name: "eth0"}, prefixes: []netip.Prefix{
		netip.MustParsePrefix("10.73.0.2/24"), netip.MustParsePrefix("fd73::2/64"), netip.MustParsePrefix("fe80::2/64"),
	}}
	return &Seen{newSeen(), k}
}

// Add adds an announcement and reports whether it changes the result of Found.
func (s *Seen) Add(r Record, from netip.Addr, now time.Time) bool {
	return s.seen.add(r.inside(), s.link, from, now)
}

// Expire removes old announcements and reports whether there were any.
func (s *Seen) Expire(now time.Time) bool { return s.seen.expire(now, []link{s.link}) }

// Found returns the announced hosts.
func (s *Seen) Found() []Found {
	var out []Found
	for _, e := range s.seen.sorted() {
		out = append(out, e.found())
	}
	return out
}
