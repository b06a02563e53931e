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
	// pollInterval is the time between two checks of the interfaces.
	pollInterval = 2 * time.Second

	// answerGap is the least time between two messages on a link.
	answerGap = time.Second

	// An answer is delayed by answerDelay plus a random time up to answerSpread, so that hosts
	// do not all answer at the same instant.
	answerDelay  = 20 * time.Millisecond
	answerSpread = 100 * time.Millisecond

	// repeats is how often a change is announced, answerGap apart, because packets get lost. If
	// the system refuses to send, as it does while an IPv6 address is new, there are up to
	// maxRepeats attempts.
	repeats    = 2
	maxRepeats = 4
)

// Announcement is what a host that listens announces on its local networks. None of it is
// secret.
type Announcement struct {
	// Name is shown to users: 1 to 63 characters of a-z, 0-9, - and _.
	Name string
	// Nameplate is the number of the code that the host shows, or empty. It must consist of
	// digits, so the words of a code cannot be announced by mistake.
	Nameplate string
	// Offers says that peers connect to this host to fetch images, and not to send images to
	// it.
	Offers bool
	// Addrs returns the addresses on which the host listens, with or without /p2p/ID. One
	// goroutine calls it every few seconds until Close returns.
	Addrs func() []ma.Multiaddr
}

// Announcer announces a host until it is closed. Its methods are safe for concurrent use.
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
	last    time.Time // when the last message was sent
	due     time.Time // when to send the next message; zero: none is planned
	left    int       // remaining messages that need no question
	retries int
}

// Announce announces on the local networks that the host id listens. It uses all real
// interfaces, also those that appear later. On each one it announces only addresses that the
// host has on that interface. It answers questions, and sends without a question when it
// starts, when something changes and when it is closed. The caller must call Close.
//
// A host without an interface to announce on is no error. Announce returns an error if a field
// of the Announcement is invalid or the multicast DNS port cannot be opened.
func Announce(id lpeer.ID, a Announcement) (*Announcer, error) {
	return announceOn(id, a, isLAN)
}

func announceOn(id lpeer.ID, a Announcement, usable func(net.Interface) bool) (*Announcer, error) {
	if !isLabel(a.Name) {
		return nil, fmt.Errorf("announce %q: a name is 1 to %d of a-z, 0-9, - and _", a.Name, maxLabel)
	}
	if err := checkNameplate(a.Nameplate); err != nil {
		return nil, fmt.Errorf("announce: %w", err) // does not quote the nameplate, which may be a secret
	}
	if a.Addrs == nil {
		return nil, errors.New("announce: nothing says where the host listens")
	}
	if _, err := parseRecordID(id.String()); err != nil {
		return nil, fmt.Errorf("announce: %w", err)
	}
	// The label is random, so that no other host uses it, and two programs with the same key
	// use different ones.
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

// Update changes the nameplate and announces it at once. "" means none. After Close it returns
// an error that wraps net.ErrClosed.
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

// Close announces that the host no longer listens, with a TTL of 0. When it returns, no
// goroutine is left.
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

// look plans a message on each link that has changed, and sends a goodbye on links that are
// gone.
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

// renew plans to announce a change at once.
func (s *announced) renew(now time.Time) {
	s.due, s.left, s.retries = now, repeats, maxRepeats-repeats
}

// answer plans an answer, unless a message is planned.
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

// nextDue returns the time until the next planned message, at most an hour.
func (an *Announcer) nextDue(now time.Time) time.Duration {
	wait := time.Hour
	for _, s := range an.states {
		if !s.due.IsZero() {
			wait = min(wait, max(0, s.due.Sub(now)))
		}
	}
	return wait
}

// sayGoodbye sends one announcement with a TTL of 0.
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
