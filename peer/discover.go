package peer

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

	ma "github.com/multiformats/go-multiaddr"
)

// Discovery is DNS-SD over multicast DNS (RFC 6763 and 6762). Its messages are
// made and read by golang.org/x/net/dns/dnsmessage and its sockets are those of
// golang.org/x/net, kept by the Go project. What lies between, when to speak
// and what to believe, is here and not a library's, for each of the libraries
// lacks what this package promises:
//
//   - grandcat/zeroconf, libp2p/zeroconf, brutella/dnssd and pion/mdns send
//     unicast answers to the source of a question that asks for one, and
//     hashicorp/mdns sends no others. A source can be forged: somebody on the LAN
//     could make this host send packets anywhere.
//   - None bounds how much it remembers of what one other host announces.
//   - All but brutella/dnssd keep to the interfaces they were started with.
//   - hashicorp/mdns and pion/mdns, of which there are recent releases, do not
//     take announcements back when they end.
//
// A host here never sends anything but multicasts to the two groups of
// multicast DNS, on real interfaces. It gives no unicast answers, also to those
// who ask for them, and does not probe for its name, which is random.

// asks are the pauses between questions; the last one repeats.
var asks = []time.Duration{
	250 * time.Millisecond, 750 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
	8 * time.Second, 16 * time.Second, 32 * time.Second,
}

// Found is a host that announces itself as waiting. Everything in it is what
// somebody on a local network claims: only a connection proves that the host
// has the key of the ID. It is safe to print.
type Found struct {
	ID ID
	// Name is what the host calls itself, 1 to [MaxNameLen] bytes.
	Name string
	// Nameplate is the number of the code that is out there, or empty.
	Nameplate string
	// Addrs is where to dial it, each with /p2p/ID: 1 to 8 addresses on the
	// networks that this host is itself on, IPv4 first.
	Addrs []ma.Multiaddr
	// LastSeen is when it was last heard.
	LastSeen time.Time
}

// ByID matches a host by its key, for [Browser.Find].
func ByID(id ID) func(Found) bool {
	return func(f Found) bool { return f.ID == id }
}

// ByNameplate matches the hosts that have a code with this number out, for
// [Browser.Find]. There can be several, and only the words of the code tell
// which is meant; a code can be tried with one of them, see [ErrCodeUsed]. It
// matches none if the nameplate is empty.
func ByNameplate(nameplate string) func(Found) bool {
	return func(f Found) bool { return nameplate != "" && f.Nameplate == nameplate }
}

// Browser asks the local networks who is waiting, until it is closed. Its
// methods may be called from several goroutines.
type Browser struct {
	lan     *lan
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	mu   sync.Mutex
	seen *seen
	news chan struct{} // closed and replaced when seen changes
}

// Browse starts to ask on all real interfaces, those that come later too: at
// once, after a quarter of a second, after one second, and then more and more
// seldom. An error means that the port of multicast DNS is not to be had. It is
// none if there is no interface to ask on: [Browser.Interfaces] tells.
//
// What this host itself announces is found as well.
func Browse() (*Browser, error) { return browseOn(isLAN) }

func browseOn(usable func(net.Interface) bool) (*Browser, error) {
	l, err := openLAN(usable)
	if err != nil {
		return nil, fmt.Errorf("look for peers: %w", err)
	}
	b := &Browser{
		lan:     l,
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
		seen:    newSeen(),
		news:    make(chan struct{}),
	}
	go b.run()
	return b, nil
}

// Interfaces returns the names of the interfaces that are asked on now, to say
// what is tried.
func (b *Browser) Interfaces() []string { return names(b.lan.current()) }

// Found returns who is waiting now, by name. Who said goodbye, or was silent
// for two minutes, is not among them.
func (b *Browser) Found() []Found {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Found
	for _, e := range b.seen.entries {
		out = append(out, e.found())
	}
	slices.SortFunc(out, func(a, b Found) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID), strings.Compare(a.Nameplate, b.Nameplate))
	})
	return out
}

// Find yields the hosts for which match holds as they are heard, those that
// were heard before first, and a host again when its name, nameplate or
// addresses changed. A host that is heard on several interfaces or over both
// families is one. It ends when ctx does, when the Browser is closed, and at
// once if there is no interface to ask on. A nil match holds for all.
//
// The caller bounds how long it takes and how many candidates it tries:
// somebody on the LAN can make up many.
func (b *Browser) Find(ctx context.Context, match func(Found) bool) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		if len(b.lan.current()) == 0 {
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

// change is a Found and its place in the order of changes.
type change struct {
	Found
	rev uint64
}

// since returns what changed after a revision, in that order, and a channel
// that is closed when more does.
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

// Close ends the Browser, and every Find. It returns when nothing is left
// running.
func (b *Browser) Close() error {
	b.once.Do(func() { close(b.stop) })
	<-b.stopped
	return nil
}

func (b *Browser) run() {
	defer close(b.stopped)
	defer b.lan.close()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	b.ask()
	asked := 0
	next := time.NewTimer(asks[asked])
	defer next.Stop()
	for {
		select {
		case p := <-b.lan.packets:
			b.hear(p, time.Now())
		case <-next.C:
			b.ask()
			asked = min(asked+1, len(asks)-1)
			next.Reset(asks[asked])
		case <-poll.C:
			if b.lan.refresh() {
				b.ask()
				asked = 0
				next.Reset(asks[asked])
			}
			b.change(func(s *seen) bool { return s.expire(time.Now(), b.lan.current()) })
		case <-b.stop:
			return
		}
	}
}

// ask asks on all links. What cannot be sent now is sent the next time.
func (b *Browser) ask() {
	question, err := packQuestion()
	if err != nil {
		return // a constant that is always right
	}
	for _, k := range b.lan.current() {
		_ = b.lan.send(k, question)
	}
}

func (b *Browser) hear(p packet, now time.Time) {
	for _, r := range parseRecords(p.data) {
		b.change(func(s *seen) bool { return s.add(r, p.link, p.from, now) })
	}
}

// change runs do on what was seen and wakes everybody if it says so.
func (b *Browser) change(do func(*seen) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if do(b.seen) {
		close(b.news)
		b.news = make(chan struct{})
	}
}
