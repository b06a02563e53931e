package peer

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

	// answerGap is the least time between two answers on a link, however many
	// ask.
	answerGap = time.Second

	// answerDelay and answerSpread are the delay that keeps all hosts from
	// answering at the same instant.
	answerDelay  = 20 * time.Millisecond
	answerSpread = 100 * time.Millisecond

	// repeats is how often something new is said, answerGap apart: packets get
	// lost. If the system refuses to send, as it does while an IPv6 address is
	// new, it is tried maxRepeats times.
	repeats    = 2
	maxRepeats = 4
)

// Announcement is what a waiting host tells everybody on its local networks.
// None of it is secret.
type Announcement struct {
	// Name is shown to people: printable, at most [MaxNameLen] bytes.
	Name string
	// Nameplate is the number in front of the code that is out, or empty if
	// none is. Anything but digits is an error, so the words of a code cannot
	// be announced by mistake.
	Nameplate string
	// Addrs returns where the host listens, as [Host.Addrs] does. It is called
	// again every few seconds, by one goroutine, until Close returns.
	Addrs func() []ma.Multiaddr
}

// Announcer keeps a host announced until it is closed. Its methods may be
// called from several goroutines.
type Announcer struct {
	lan   *lan
	addrs func() []ma.Multiaddr

	update  chan string
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	mu    sync.Mutex
	names []string

	// For run alone.
	record record // without addresses and time
	states map[int]*announced
}

// announced is what has been said on one link.
type announced struct {
	link    link
	addrs   []ma.Multiaddr
	last    time.Time // when it was said
	due     time.Time // when to say it (again), or zero
	left    int       // how often it is still to be said unasked
	retries int
}

// Announce tells the local networks that the host id is waiting, on all real
// interfaces, those that come later too. On each it gives the addresses that
// the host has on that interface and no others. It answers those who ask, and
// speaks unasked when it starts, when something changes and when it is closed.
//
// It is no error if there is no interface to announce on:
// [Announcer.Interfaces] tells. An error means that the Announcement is not
// fit to be sent, or that the port of multicast DNS is not to be had.
func Announce(id ID, a Announcement) (*Announcer, error) {
	return announceOn(id, a, isLAN)
}

func announceOn(id ID, a Announcement, usable func(net.Interface) bool) (*Announcer, error) {
	if err := checkName(a.Name); err != nil {
		return nil, fmt.Errorf("announce %q: %w", a.Name, err)
	}
	if err := checkNameplate(a.Nameplate); err != nil {
		return nil, fmt.Errorf("announce: %w", err) // without what may be a secret
	}
	if a.Addrs == nil {
		return nil, errors.New("announce: nothing says where the host listens")
	}
	if _, err := parseRecordID(id.String()); err != nil {
		return nil, fmt.Errorf("announce: %w", err)
	}
	// The label is new for each announcement, so that no other host has it and
	// two programs with the same key are told apart.
	label := make([]byte, 8)
	rand.Read(label)
	l, err := openLAN(usable)
	if err != nil {
		return nil, fmt.Errorf("announce: %w", err)
	}
	an := &Announcer{
		lan:     l,
		addrs:   a.Addrs,
		update:  make(chan string),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
		record:  record{label: hex.EncodeToString(label), id: id, name: a.Name, nameplate: a.Nameplate},
		states:  map[int]*announced{},
	}
	an.look(time.Now())
	go an.run()
	return an, nil
}

// Update changes the nameplate, "" for none, and says so at once. It returns
// net.ErrClosed, wrapped, after Close.
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

// Interfaces returns the names of the interfaces on which the host is
// announced. None means that nobody can find it without its address.
func (an *Announcer) Interfaces() []string {
	an.mu.Lock()
	defer an.mu.Unlock()
	return slices.Clone(an.names)
}

// Close takes the announcement back and returns when nothing is left running.
func (an *Announcer) Close() error {
	an.once.Do(func() { close(an.stop) })
	<-an.stopped
	return nil
}

func (an *Announcer) run() {
	defer close(an.stopped)
	defer an.lan.close()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case p := <-an.lan.packets:
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
			an.lan.refresh()
			an.look(time.Now())
		case <-due.C:
		case <-an.stop:
			for _, s := range an.states {
				an.takeBack(s)
			}
			return
		}
		an.sayDue(time.Now())
		due.Reset(an.nextDue(time.Now()))
	}
}

// look renews what is said on the links that changed.
func (an *Announcer) look(now time.Time) {
	states := map[int]*announced{}
	var on []link
	all := an.addrs()
	for _, k := range an.lan.current() {
		addrs := k.own(an.record.id, all)
		if len(addrs) == 0 {
			continue
		}
		on = append(on, k)
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
			an.takeBack(s) // in vain if the link is gone
		}
	}
	an.states = states
	an.mu.Lock()
	an.names = names(on)
	an.mu.Unlock()
}

// renew plans to say something new at once.
func (s *announced) renew(now time.Time) {
	s.due, s.left, s.retries = now, repeats, maxRepeats-repeats
}

// answer plans to answer soon.
func (s *announced) answer(now time.Time) {
	if !s.due.IsZero() {
		return
	}
	s.due = now.Add(answerDelay + mrand.N(answerSpread))
	if earliest := s.last.Add(answerGap); s.due.Before(earliest) {
		s.due = earliest
	}
}

func (an *Announcer) sayDue(now time.Time) {
	for _, s := range an.states {
		if s.due.IsZero() || s.due.After(now) {
			continue
		}
		s.due, s.last = time.Time{}, now
		failed := an.say(s, recordTTL) != nil
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

// nextDue returns how long to wait until something is to be said.
func (an *Announcer) nextDue(now time.Time) time.Duration {
	wait := time.Hour
	for _, s := range an.states {
		if !s.due.IsZero() {
			wait = min(wait, max(0, s.due.Sub(now)))
		}
	}
	return wait
}

// takeBack says once that the host is not waiting any more.
func (an *Announcer) takeBack(s *announced) { _ = an.say(s, 0) }

func (an *Announcer) say(s *announced, ttl time.Duration) error {
	r := an.record
	r.addrs, r.ttl = s.addrs, ttl
	data, err := r.pack()
	if err != nil {
		return err
	}
	return an.lan.send(s.link, data)
}

// splitID cuts /p2p/ID off an address.
func splitID(full ma.Multiaddr) (ma.Multiaddr, ID) { return lpeer.SplitAddr(full) }
