package lan

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// pollInterval is how often the interfaces are looked at again.
	pollInterval = 2 * time.Second

	// answerGap is the least time between two answers on a link.
	answerGap = time.Second

	// answerDelay and answerSpread are the delay that keeps all hosts from
	// answering at the same instant.
	answerDelay  = 20 * time.Millisecond
	answerSpread = 100 * time.Millisecond

	// repeats is how often a change is announced, answerGap apart, because
	// packets get lost. When the system refuses to send, as it does while an
	// IPv6 address is new, there are up to maxRepeats tries.
	repeats    = 2
	maxRepeats = 4
)

// Announcement is what a waiting host tells everybody on its local networks.
// None of it is secret.
type Announcement struct {
	// Name is shown to people: 1 to 63 of a-z, 0-9, - and _.
	Name string
	// Nameplate is the number at the start of the host's code, or empty if it
	// has none. Anything but digits is an error, so the words of a code cannot
	// be announced by mistake.
	Nameplate string
	// Offers says that peers come to this host to fetch images, and not to send them.
	Offers bool
	// Addrs returns where the host listens, with or without /p2p/ID. One
	// goroutine calls it again every few seconds, until Close returns.
	Addrs func() []ma.Multiaddr
}

// Announcer keeps a host announced until it is closed. Its methods may be
// called from several goroutines.
type Announcer struct {
	groups *multicast
	addrs  func() []ma.Multiaddr

	update  chan string
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	// Used only by run.
	record record // without addresses and TTL
	states map[int]*announced
}

// announced is the state of the announcement on one link.
type announced struct {
	link    link
	addrs   []ma.Multiaddr
	last    time.Time // when it was sent
	due     time.Time // when to send it next, or zero
	left    int       // how often to send it without a question
	retries int
}

// Announce tells the local networks that the host id waits, on all real
// interfaces, and on those that appear later. On each it gives the addresses
// that the host has on that interface and no others. It answers questions, and
// sends without a question when it starts, when something changes and when it is
// closed.
//
// A host without an interface to announce on is no error. An error means that the
// Announcement breaks its rules, or that the multicast DNS port cannot be opened.
func Announce(id lpeer.ID, a Announcement) (*Announcer, error) {
	return announceOn(id, a, isLAN)
}

func announceOn(id lpeer.ID, a Announcement, usable func(net.Interface) bool) (*Announcer, error) {
	if !isLabel(a.Name) {
		return nil, fmt.Errorf("announce %q: a name is 1 to %d of a-z, 0-9, - and _", a.Name, maxLabel)
	}
	if err := checkNameplate(a.Nameplate); err != nil {
		return nil, fmt.Errorf("announce: %w", err) // does not quote what may be a secret
	}
	if a.Addrs == nil {
		return nil, errors.New("announce: nothing says where the host listens")
	}
	if _, err := parseRecordID(id.String()); err != nil {
		return nil, fmt.Errorf("announce: %w", err)
	}
	// The label is random for each announcement, so that no other host has it,
	// and two programs with the same key have different ones.
	label := make([]byte, 8)
	rand.Read(label)
	m, err := openMulticast(usable)
	if err != nil {
		return nil, fmt.Errorf("announce: %w", err)
	}
	an := &Announcer{
		groups:  m,
		addrs:   a.Addrs,
		update:  make(chan string),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
		record:  record{label: hex.EncodeToString(label), id: id, name: a.Name, nameplate: a.Nameplate, offers: a.Offers},
		states:  map[int]*announced{},
	}
	an.look(time.Now())
	go an.run()
	return an, nil
}

// Update changes the nameplate, "" for none, and announces it at once. After
// Close it returns net.ErrClosed, wrapped.
func (an *Announcer) Update(nameplate string) error {
	if err := checkNameplate(nameplate); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	select {
	case an.update <- nameplate:
		return nil
	case <-an.stopped:
		return fmt.Errorf("announce: %w", net.ErrClosed)
	}
}

// Close says goodbye. When it returns, no goroutine is left.
func (an *Announcer) Close() error {
	an.once.Do(func() { close(an.stop) })
	<-an.stopped
	return nil
}

func (an *Announcer) run() {
	defer close(an.stopped)
	defer an.groups.close()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case p := <-an.groups.packets:
			if s := an.states[p.link.iface.Index]; s != nil && asksFor(p.data, an.record.label) {
				s.answer(time.Now())
			}
		case nameplate := <-an.update:
			if nameplate != an.record.nameplate {
				an.record.nameplate = nameplate
				now := time.Now()
				for _, s := range an.states {
					s.renew(now)
				}
			}
		case <-poll.C:
			an.groups.refresh()
			an.look(time.Now())
		case <-due.C:
		case <-an.stop:
			for _, s := range an.states {
				an.sayGoodbye(s)
			}
			return
		}
		an.sendDue(time.Now())
		due.Reset(an.nextDue(time.Now()))
	}
}

// look plans a new announcement on the links that changed.
func (an *Announcer) look(now time.Time) {
	states := map[int]*announced{}
	all := an.addrs()
	for _, k := range an.groups.current() {
		addrs := k.own(all)
		if len(addrs) == 0 {
			continue
		}
		s := an.states[k.iface.Index]
		if s == nil || s.link.v4 != k.v4 || s.link.v6 != k.v6 || !slices.EqualFunc(s.addrs, addrs, ma.Multiaddr.Equal) {
			s = &announced{}
			s.renew(now)
		}
		s.link, s.addrs = k, addrs
		states[k.iface.Index] = s
	}
	for index, s := range an.states {
		if states[index] == nil {
			an.sayGoodbye(s) // fails if the link is gone
		}
	}
	an.states = states
}

// renew plans to send a change at once.
func (s *announced) renew(now time.Time) {
	s.due, s.left, s.retries = now, repeats, maxRepeats-repeats
}

// answer plans an answer, if none is planned.
func (s *announced) answer(now time.Time) {
	if !s.due.IsZero() {
		return
	}
	s.due = now.Add(answerDelay + mrand.N(answerSpread))
	if earliest := s.last.Add(answerGap); s.due.Before(earliest) {
		s.due = earliest
	}
}

func (an *Announcer) sendDue(now time.Time) {
	for _, s := range an.states {
		if s.due.IsZero() || s.due.After(now) {
			continue
		}
		s.due, s.last = time.Time{}, now
		failed := an.send(s, recordTTL) != nil
		if s.left > 0 {
			s.left--
		}
		if failed && s.retries > 0 {
			s.retries--
			s.left++
		}
		if s.left > 0 {
			s.due = now.Add(answerGap)
		}
	}
}

// nextDue returns the time until the next announcement is due.
func (an *Announcer) nextDue(now time.Time) time.Duration {
	wait := time.Hour
	for _, s := range an.states {
		if !s.due.IsZero() {
			wait = min(wait, max(0, s.due.Sub(now)))
		}
	}
	return wait
}

// sayGoodbye says once that the host no longer waits.
func (an *Announcer) sayGoodbye(s *announced) { _ = an.send(s, 0) }

func (an *Announcer) send(s *announced, ttl time.Duration) error {
	r := an.record
	r.addrs, r.ttl = s.addrs, ttl
	data, err := r.pack()
	if err != nil {
		return err
	}
	return an.groups.send(s.link, data)
}
