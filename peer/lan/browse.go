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

// asks are the pauses between questions. The last one repeats.
var asks = []time.Duration{
	250 * time.Millisecond, 750 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
	8 * time.Second, 16 * time.Second, 32 * time.Second,
}

// Found is a host that announces that it waits. All of it is a claim by
// somebody on a local network: only a connection proves that the host has the
// key of the ID. It is safe to print.
type Found struct {
	ID lpeer.ID
	// Name is the name that the host gives itself: 1 to 63 of a-z, 0-9, - and _.
	Name string
	// Nameplate is the number of the code that can be used there, or empty.
	Nameplate string
	// Offers says that images can be fetched there, and none be sent there.
	Offers bool
	// Addrs is where to dial the host: 1 to 8 addresses, each with /p2p/ID, on
	// networks that this host is on too, IPv4 first.
	Addrs []ma.Multiaddr
	// LastSeen is when it was last heard.
	LastSeen time.Time
}

// ByID matches the program of the host with that key that offers images, or the one
// that receives them, for [Browser.Find].
func ByID(id lpeer.ID, offers bool) func(Found) bool {
	return func(f Found) bool { return f.ID == id && f.Offers == offers }
}

// ByNameplate matches the hosts that announce a code with this number and offer images,
// or receive them, for [Browser.Find]: there may be several, and some of them may lie. It
// matches no host if the nameplate is empty.
func ByNameplate(nameplate string, offers bool) func(Found) bool {
	return func(f Found) bool { return nameplate != "" && f.Nameplate == nameplate && f.Offers == offers }
}

// Browser asks the local networks which hosts wait, until it is closed. Its
// methods may be called from several goroutines.
type Browser struct {
	groups  *multicast
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	mu   sync.Mutex
	seen *seen
	news chan struct{} // closed and replaced when seen changes
}

// Browse starts to ask on all real interfaces, and on those that appear later:
// at once, after a quarter of a second, after one second, and then less and less
// often. An error means that the multicast DNS port cannot be opened. A host
// without an interface to ask on is no error: see [Browser.Interfaces].
//
// A Browser also finds what its own host announces.
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

// Interfaces returns the names of the interfaces that it asks on now.
func (b *Browser) Interfaces() []string { return names(b.groups.current()) }

// Found returns the hosts that wait now, sorted by name. It leaves out hosts that
// said goodbye or that were silent for two minutes.
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

// Find yields the hosts for which match is true, those that were heard before
// first. It yields a host again when its name, nameplate, addresses or what it waits for change. A
// host that is heard on several interfaces or over both families is one host.
// Find ends when ctx ends, when the Browser is closed, and at once if there is no
// interface to ask on. A nil match is true for all.
//
// The caller limits how long it takes and how many hosts and addresses it tries:
// somebody on the network can make up any number of them.
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

// change is a Found and the revision in which it changed.
type change struct {
	Found
	rev uint64
}

// since returns the changes after a revision, in their order, and a channel that
// is closed at the next change.
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

// Close ends the Browser and every Find. When it returns, no goroutine is left.
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

// ask sends the question on all links. A question that cannot be sent is sent
// the next time.
func (b *Browser) ask() {
	question, err := packQuestion()
	if err != nil {
		return // never: the question is a constant
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

// change runs do, and wakes every Find if do returns true.
func (b *Browser) change(do func(*seen) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if do(b.seen) {
		close(b.news)
		b.news = make(chan struct{})
	}
}
