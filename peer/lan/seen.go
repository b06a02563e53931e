package lan

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Limits on the number of announcements that are kept.
const (
	maxSeen       = 256
	maxSeenSource = 16 // from one address on one link, so that one host cannot use up maxSeen
	maxSeenID     = 8  // with one key, which all programs of a user on one host share
)

// seen is the set of announcements that were received.
type seen struct {
	entries map[seenKey]*seenEntry
	rev     uint64
}

// seenKey identifies an announcement on all links. It contains the ID, so that no host can
// replace the announcement of another one by using its label.
type seenKey struct {
	label string
	id    lpeer.ID
}

type seenEntry struct {
	key   seenKey
	heard map[channel]heard
	last  time.Time
	rev   uint64 // the revision of its last change
}

// channel is a link and an address family. Messages arrive in order on one channel but not
// across channels, so seen keeps each announcement once per channel.
type channel struct {
	index int // interface index of the link
	v6    bool
}

// heard is an announcement on one channel.
type heard struct {
	name, nameplate string
	offers          bool
	addrs           []ma.Multiaddr
	from            netip.Addr
	expires         time.Time
	change          uint64 // the revision of its last change, 0 if it never changed
}

func (h heard) equal(other heard) bool {
	return h.name == other.name && h.nameplate == other.nameplate && h.offers == other.offers && slices.EqualFunc(h.addrs, other.addrs, ma.Multiaddr.Equal)
}

func newSeen() *seen { return &seen{entries: map[seenKey]*seenEntry{}} }

// add adds a record received on a link, and reports whether the result of Found changes.
func (s *seen) add(r record, on link, from netip.Addr, now time.Time) bool {
	key := seenKey{r.label, r.id}
	index := on.iface.Index
	e := s.entries[key]
	if r.ttl == 0 {
		// A goodbye on one link applies to all.
		delete(s.entries, key)
		s.rev++
		return e != nil
	}
	addrs := on.reachable(r.addrs)
	if len(addrs) == 0 {
		return false
	}
	if e == nil {
		if len(s.entries) >= maxSeen || s.countFrom(index, from) >= maxSeenSource || s.countOf(r.id) >= maxSeenID {
			return false
		}
		e = &seenEntry{key: key, heard: map[channel]heard{}}
		s.entries[key] = e
	}
	ch := channel{index, from.Is6()}
	h := heard{name: r.name, nameplate: r.nameplate, offers: r.offers, addrs: addrs, from: from, expires: now.Add(r.ttl)}
	old, was := e.heard[ch]
	switch {
	case was && h.equal(old):
		h.change = old.change
	case was:
		s.rev++
		h.change = s.rev
	}
	before := e.found()
	e.heard[ch], e.last = h, now
	news := !before.says(e.found())
	if news {
		s.touch(e)
	}
	return news
}

// says reports whether two Founds are equal except for LastSeen.
func (f Found) says(other Found) bool {
	return f.ID == other.ID && f.Name == other.Name && f.Nameplate == other.Nameplate && f.Offers == other.Offers && slices.EqualFunc(f.Addrs, other.Addrs, ma.Multiaddr.Equal)
}

func (s *seen) touch(e *seenEntry) {
	s.rev++
	e.rev = s.rev
}

// countFrom returns the number of announcements from one address.
func (s *seen) countFrom(index int, from netip.Addr) int {
	n := 0
	for _, e := range s.entries {
		if h, ok := e.heard[channel{index, from.Is6()}]; ok && h.from == from {
			n++
		}
	}
	return n
}

// countOf returns the number of announcements with one ID.
func (s *seen) countOf(id lpeer.ID) int {
	n := 0
	for key := range s.entries {
		if key.id == id {
			n++
		}
	}
	return n
}

// expire removes announcements whose TTL has passed and those of links that are gone. It
// reports whether the result of Found changes.
func (s *seen) expire(now time.Time, links []link) bool {
	news := false
	for key, e := range s.entries {
		before := e.found()
		for ch, h := range e.heard {
			if now.After(h.expires) || !slices.ContainsFunc(links, func(k link) bool { return k.iface.Index == ch.index }) {
				delete(e.heard, ch)
			}
		}
		switch {
		case len(e.heard) == 0:
			delete(s.entries, key)
			news = true
		case !before.says(e.found()):
			s.touch(e)
			news = true
		}
	}
	return news
}

// found returns e as a Found: with the latest name, nameplate and direction, and the addresses
// of all links.
func (e *seenEntry) found() Found {
	channels := slices.SortedFunc(maps.Keys(e.heard), func(a, b channel) int {
		return cmp.Or(cmp.Compare(e.heard[b].change, e.heard[a].change), cmp.Compare(a.index, b.index), cmp.Compare(family(a), family(b)))
	})
	f := Found{ID: e.key.id, LastSeen: e.last}
	var addrs []ma.Multiaddr
	links := map[int]bool{}
	for i, ch := range channels {
		h := e.heard[ch]
		if i == 0 {
			f.Name, f.Nameplate, f.Offers = h.name, h.nameplate, h.offers
		}
		if links[ch.index] {
			continue
		}
		links[ch.index] = true
		for _, addr := range h.addrs {
			if !slices.ContainsFunc(addrs, addr.Equal) {
				addrs = append(addrs, addr)
			}
		}
	}
	slices.SortFunc(addrs, func(a, b ma.Multiaddr) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.String(), b.String()))
	})
	// Cannot fail for a parsed ID.
	f.Addrs, _ = lpeer.AddrInfoToP2pAddrs(&lpeer.AddrInfo{ID: f.ID, Addrs: addrs[:min(len(addrs), maxAddrs)]})
	return f
}

func family(ch channel) int {
	if ch.v6 {
		return 6
	}
	return 4
}

// sorted returns the entries in the order of their last changes.
func (s *seen) sorted() []*seenEntry {
	out := make([]*seenEntry, 0, len(s.entries))
	for _, e := range s.entries {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *seenEntry) int { return cmp.Compare(a.rev, b.rev) })
	return out
}
