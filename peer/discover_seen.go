package peer

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	ma "github.com/multiformats/go-multiaddr"
)

// Limits on how many announcements are remembered, whoever sends them.
const (
	maxSeen       = 256
	maxSeenSource = 16 // from one address on one link, so that one host cannot crowd out the rest
	maxSeenID     = 8  // of one key, which a user's programs on one host share
)

// seen remembers who is announced.
type seen struct {
	entries map[seenKey]*seenEntry
	rev     uint64
}

// seenKey is what makes an announcement the same one on several links. The ID
// is part of it so that nobody replaces what another has announced by using
// its label.
type seenKey struct {
	label string
	id    ID
}

type seenEntry struct {
	key   seenKey
	heard map[channel]heard
	last  time.Time
	rev   uint64 // when what it says changed
}

// channel is a way on which messages keep their order. Between the families
// they do not, so what is said on each is kept apart.
type channel struct {
	index int // of the link
	v6    bool
}

// heard is an announcement on one channel.
type heard struct {
	name, nameplate string
	addrs           []ma.Multiaddr
	from            netip.Addr
	expires         time.Time
	change          uint64 // when it said something new, 0 if never but the first time
}

func (h heard) equal(other heard) bool {
	return h.name == other.name && h.nameplate == other.nameplate && slices.EqualFunc(h.addrs, other.addrs, ma.Multiaddr.Equal)
}

func newSeen() *seen { return &seen{entries: map[seenKey]*seenEntry{}} }

// add takes in what was said on a link, and reports whether that is news.
func (s *seen) add(r record, on link, from netip.Addr, now time.Time) bool {
	key := seenKey{r.label, r.id}
	index := on.iface.Index
	e := s.entries[key]
	if r.ttl == 0 {
		// Who takes it back on one link ends it on all.
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
	h := heard{name: r.name, nameplate: r.nameplate, addrs: addrs, from: from, expires: now.Add(r.ttl)}
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

// says reports whether two Founds differ in nothing but when.
func (f Found) says(other Found) bool {
	return f.ID == other.ID && f.Name == other.Name && f.Nameplate == other.Nameplate && slices.EqualFunc(f.Addrs, other.Addrs, ma.Multiaddr.Equal)
}

func (s *seen) touch(e *seenEntry) {
	s.rev++
	e.rev = s.rev
}

// countFrom returns how many announcements came from one host.
func (s *seen) countFrom(index int, from netip.Addr) int {
	n := 0
	for _, e := range s.entries {
		if h, ok := e.heard[channel{index, from.Is6()}]; ok && h.from == from {
			n++
		}
	}
	return n
}

// countOf returns how many announcements have one ID.
func (s *seen) countOf(id ID) int {
	n := 0
	for key := range s.entries {
		if key.id == id {
			n++
		}
	}
	return n
}

// expire drops what has not been confirmed in time and what was heard on links
// that are gone, and reports whether there was any.
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

// found returns what is remembered under e: the newest that was said, with the
// addresses of all links together.
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
			f.Name, f.Nameplate = h.name, h.nameplate
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
	f.Addrs = withID(f.ID, addrs[:min(len(addrs), maxAddrs)])
	return f
}

func family(ch channel) int {
	if ch.v6 {
		return 6
	}
	return 4
}

// sorted returns the entries in the order in which they changed.
func (s *seen) sorted() []*seenEntry {
	out := make([]*seenEntry, 0, len(s.entries))
	for _, e := range s.entries {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *seenEntry) int { return cmp.Compare(a.rev, b.rev) })
	return out
}
