package door

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"golang.org/x/term"
)

// Config says who may come in, and what they and the user are told.
type Config struct {
	Way      Way
	Voice    *cli.Voice
	Book     *peer.Book
	Name     string   // what this host calls itself
	Allow    []string // the IDs of peers that may come
	Yes      bool     // anybody may
	Code     bool     // strangers can be met by a code, also without a terminal
	Keep     bool     // more than one visitor is awaited
	Remember bool     // save who was met by a code
}

// A Door decides who may come in: saved peers, those on the allow list or met by a
// code, with Yes anybody, on a terminal whom the user accepts.
type Door struct {
	Config
	codes    bool // strangers can be met by a code
	terminal bool
	console  *console // asks the user, if terminal

	mu      sync.Mutex
	allowed map[peer.ID]bool
}

// New returns a door. Its error is that of a peer ID which cannot be read.
func New(c Config) (*Door, error) {
	d := &Door{Config: c, allowed: map[peer.ID]bool{}, console: newConsole(c.Voice, os.Stdin),
		terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))}
	d.codes = c.Code || d.terminal && !c.Keep && !c.Yes
	for _, s := range c.Allow {
		id, err := peer.ParseID(s)
		if err != nil {
			return nil, &cli.UsageError{Err: fmt.Errorf("--allow %s: %w", s, err)}
		}
		d.allowed[id] = true
	}
	return d, nil
}

// Terminal reports whether the user can be asked.
func (d *Door) Terminal() bool { return d.terminal }

// Knows reports whether a peer may come in without being asked about. A peer that
// was forgotten is not known from that moment on.
func (d *Door) Knows(id peer.ID) bool {
	d.mu.Lock()
	allowed := d.Yes || d.allowed[id]
	d.mu.Unlock()
	return allowed || d.Book.May(id, d.Way.Right)
}

// knowsAnybody reports whether there is a peer that may come in.
func (d *Door) knowsAnybody() bool {
	if d.Yes || len(d.allowed) > 0 {
		return true
	}
	list, err := d.Book.List()
	return err != nil || slices.ContainsFunc(list, func(p peer.Peer) bool { return p.Rights.Has(d.Way.Right) })
}

// takesStrangers reports whether a host may send that neither is saved nor has a code:
// anybody, one on the allow list, or nobody else.
func (d *Door) takesStrangers() bool {
	d.mu.Lock()
	listed := d.Yes || len(d.allowed) > 0
	d.mu.Unlock()
	return listed || !d.codes && !d.knowsAnybody()
}

// admit lets a peer in for as long as this program runs.
func (d *Door) admit(id peer.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.allowed[id] = true
}

// Asks reports whether the user will be asked about a peer.
func (d *Door) Asks(id peer.ID) bool { return d.terminal && !d.Knows(id) }

// letsSomebodyIn reports whether anybody may send while no code is out.
func (d *Door) letsSomebodyIn() bool { return d.terminal && !d.Keep || d.knowsAnybody() }

// Policy is who gets as far as making an offer. Where nobody can be asked, and
// somebody is awaited, a stranger is turned away before that.
func (d *Door) Policy() peer.Policy {
	nobody := !d.codes && !d.Keep && !d.knowsAnybody()
	return peer.Policy{
		Allow:     d.Knows,
		Known:     d.Book.Known,
		Strangers: func() bool { return d.terminal && !d.Keep || nobody },
		Refused:   (&refusals{d: d}).note,
	}
}

var errRefused = &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("the offer was refused")}

// Accept decides about an offer, which has been shown. decided is false if the
// sender hung up before the user had answered.
func (d *Door) Accept(ctx context.Context, from peer.ID, host string) (decided bool, err error) {
	if d.Knows(from) {
		return true, nil
	}
	if !d.terminal {
		return true, &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s is not on the allow list", from),
			Hint: "start " + d.Way.Program + " with --allow " + from.String() + ", with --code, with --yes, or on a terminal"}
	}
	yes, err := d.console.accepts(ctx, from, host)
	switch {
	case err != nil:
		return false, err
	case !yes:
		return true, errRefused
	}
	return true, nil
}

// RefusedDryRun is the answer to a stranger's dry run. The user is not asked about
// it: a stranger could ask as often as it likes, and the user's answer to one
// question could meet the next.
func (d *Door) RefusedDryRun(from peer.ID) error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("a dry run takes a host that is known here, which %s is not", from),
		Hint: "meet by a code first, or start " + d.Way.Program + " with --allow " + from.String()}
}
