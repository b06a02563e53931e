package lan

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// asks are the pauses between questions. The last one is repeated.
var asks = []time.Duration{
	250 * time.Millisecond, 750 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
	8 * time.Second, 16 * time.Second, 32 * time.Second,
}

// Found is a host that announces that it listens. All of it is a claim of some host on a local
// network: only a connection proves that the host has the key of the ID. It is safe to print.
type Found struct {
	ID lpeer.ID
	// Name is the name that the host gives itself: 1 to 63 characters of a-z, 0-9, - and _.
	Name string
	// Nameplate is the number of the code that the host shows, or empty.
	Nameplate string
	// Offers says that the host offers images, and does not receive any.
	Offers bool
	// Addrs are the addresses to dial: 1 to 8, each with /p2p/ID, on networks of this host,
	// IPv4 first.
	Addrs []ma.Multiaddr
	// LastSeen is when the last announcement was received.
	LastSeen time.Time
}

// ByID returns a match function for [Browser.Find]: for the host with that ID that offers
// images, or receives them if offers is false.
func ByID(id lpeer.ID, offers bool) func(Found) bool {
	return func(f Found) bool { return f.ID == id && f.Offers == offers }
}

// ByNameplate returns a match function for [Browser.Find]: for hosts that announce a code with
// that number and offer images, or receive them if offers is false. There may be several, and
// their announcements may be false. It matches no host if nameplate is empty.
func ByNameplate(nameplate string, offers bool) func(Found) bool {
	return func(f Found) bool { return nameplate != "" && f.Nameplate == nameplate && f.Offers == offers }
}

// Browser asks on the local networks which hosts listen, until it is closed. Its methods are
// safe for concurrent use.
type Browser struct {
	groups  *multicast
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	mu   sync.Mutex
	seen *seen
	news chan struct{} // closed and replaced when seen changes
}

// Browse starts to ask on all real interfaces, also on those that appear later: at once, after
// a quarter of a second, after one second, and then less and less often. The caller must call
// Close. It returns an error if the multicast DNS port cannot be opened. A host without an
// interface to ask on is no error: see [Browser.Interfaces].
//
// A Browser also finds the announcements of its own host.
func Browse() (*Browser, error) { return browseOn(isLAN) }

func browseOn(usable func(net.Interface) bool) (*Browser, error) {
	m, err := openMulticast(usable)
	if err != nil {
		return nil, fmt.Errorf("look for peers: %w", err)
	}
	b := &Browser{
		groups:  m,
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
		seen:    newSeen(),
		news:    make(chan struct{}),
	}
	go b.run()
	return b, nil
}

// Interfaces returns the names of the interfaces on which b asks now.
func (b *Browser) Interfaces() []string { return names(b.groups.current()) }

// Found returns the hosts that are announced now, sorted by name. It leaves out hosts that sent
// a goodbye and hosts that sent nothing for two minutes.
func (b *Browser) Found() []Found {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Found
	for _, e := range b.seen.entries {
		out = append(out, e.found())
	}
	slices.SortFunc(out, func(a, b Found) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID), strings.Compare(a.Nameplate, b.Nameplate), cmp.Compare(role(a.Offers), role(b.Offers)))
	})
	return out
}

// Find yields the hosts for which match returns true, starting with those known already. It
// yields a host again if its name, nameplate, addresses or direction change. A host with
// announcements on several interfaces or address families is one host. Find ends when ctx ends,
// when the Browser is closed, and at once if there is no interface to ask on. A nil match
// accepts all hosts.
//
// The caller must limit the time and the number of hosts and addresses that it tries: an
// attacker on the network can announce any number of them.
func (b *Browser) Find(ctx context.Context, match func(Found) bool) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		if len(b.groups.current()) == 0 {
			return
		}
		var upTo uint64
		for {
			fresh, news := b.since(upTo)
			for _, e := range fresh {
				if ctx.Err() != nil {
					return
				}
				upTo = e.rev
				if (match == nil || match(e.Found)) && !yield(e.Found) {
					return
				}
			}
			select {
			case <-news:
			case <-ctx.Done():
				return
			case <-b.stopped:
				return
			}
		}
	}
}

// change is a Found and the revision of its last change.
type change struct {
	Found
	rev uint64
}

// since returns the changes after a revision in their order, and a channel that is closed at
// the next change.
func (b *Browser) since(rev uint64) ([]change, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []change
	for _, e := range b.seen.sorted() {
		if e.rev > rev {
			out = append(out, change{e.found(), e.rev})
		}
	}
	return out, b.news
}

// Close ends the Browser and all calls of Find. When it returns, no goroutine is left.
func (b *Browser) Close() error {
	b.once.Do(func() { close(b.stop) })
	<-b.stopped
	return nil
}

func (b *Browser) run() {
	defer close(b.stopped)
	defer b.groups.close()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	b.ask()
	asked := 0
	next := time.NewTimer(asks[asked])
	defer next.Stop()
	for {
		select {
		case p := <-b.groups.packets:
			b.hear(p, time.Now())
		case <-next.C:
			b.ask()
			asked = min(asked+1, len(asks)-1)
			next.Reset(asks[asked])
		case <-poll.C:
			if b.groups.refresh() {
				b.ask()
				asked = 0
				next.Reset(asks[asked])
			}
			b.change(func(s *seen) bool { return s.expire(time.Now(), b.groups.current()) })
		case <-b.stop:
			return
		}
	}
}

// ask sends the question on all links. It ignores errors: the question is repeated later.
func (b *Browser) ask() {
	question, err := packQuestion()
	if err != nil {
		return // cannot happen: the question is constant
	}
	for _, k := range b.groups.current() {
		_ = b.groups.send(k, question)
	}
}

func (b *Browser) hear(p packet, now time.Time) {
	for _, r := range parseRecords(p.data) {
		b.change(func(s *seen) bool { return s.add(r, p.link, p.from, now) })
	}
}

// change calls do, and notifies each Find if do returns true.
func (b *Browser) change(do func(*seen) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if do(b.seen) {
		close(b.news)
		b.news = make(chan struct{})
	}
}
