package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"golang.org/x/term"
)

// A door decides who may send images here: saved peers, those on the allow list
// or met by a code, with --yes anybody, on a terminal whom the user accepts.
type door struct {
	v        *cli.Voice
	book     *peer.Book
	yes      bool
	codes    bool // strangers can be met by a code
	terminal bool
	console  *console // asks the user, if terminal

	mu      sync.Mutex
	allowed map[peer.ID]bool
}

func newDoor(v *cli.Voice, o options, book *peer.Book) (*door, error) {
	d := &door{v: v, book: book, allowed: map[peer.ID]bool{}, yes: o.yes, console: newConsole(v, os.Stdin),
		terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))}
	d.codes = o.code || d.terminal && !o.keep && !o.yes
	for _, s := range o.allow {
		id, err := peer.ParseID(s)
		if err != nil {
			return nil, &cli.UsageError{Err: fmt.Errorf("--allow %s: %w", s, err)}
		}
		d.allowed[id] = true
	}
	return d, nil
}

// knows reports whether a peer may send without being asked about. A peer that
// was forgotten is not known from that moment on.
func (d *door) knows(id peer.ID) bool {
	d.mu.Lock()
	allowed := d.yes || d.allowed[id]
	d.mu.Unlock()
	return allowed || d.book.Known(id)
}

// knowsAnybody reports whether there is a peer that may send.
func (d *door) knowsAnybody() bool {
	if d.yes || len(d.allowed) > 0 {
		return true
	}
	list, err := d.book.List()
	return err != nil || len(list) > 0
}

// takesStrangers reports whether a host may send that neither is saved nor has a code:
// anybody, one on the allow list, or nobody else.
func (d *door) takesStrangers() bool {
	d.mu.Lock()
	listed := d.yes || len(d.allowed) > 0
	d.mu.Unlock()
	return listed || !d.codes && !d.knowsAnybody()
}

// admit lets a peer in for as long as this program runs.
func (d *door) admit(id peer.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.allowed[id] = true
}

// asks reports whether the user will be asked about a peer.
func (d *door) asks(id peer.ID) bool { return d.terminal && !d.knows(id) }

// letsSomebodyIn reports whether anybody may send while no code is out.
func (d *door) letsSomebodyIn(keep bool) bool { return d.terminal && !keep || d.knowsAnybody() }

// policy is who gets as far as making an offer. Where nobody can be asked, and
// somebody is awaited, a stranger is turned away before that.
func (d *door) policy(keep bool) peer.Policy {
	nobody := !d.codes && !keep && !d.knowsAnybody()
	return peer.Policy{
		Allow:     d.knows,
		Strangers: func() bool { return d.terminal && !keep || nobody },
		Refused:   (&refusals{v: d.v}).note,
	}
}

var errRefused = &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("the offer was refused")}

// accept decides about an offer, which has been shown. decided is false if the
// sender hung up before the user had answered.
func (d *door) accept(ctx context.Context, from peer.ID, host string) (decided bool, err error) {
	if d.knows(from) {
		return true, nil
	}
	if !d.terminal {
		return true, &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s is not on the allow list", from),
			Hint: "start imgrecv with --allow " + from.String() + ", with --code, with --yes, or on a terminal"}
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

// refusedDryRun is the answer to a stranger's dry run. The user is not asked about
// it: a stranger could ask as often as it likes, and the user's answer to one
// question could meet the next.
func refusedDryRun(from peer.ID) error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("a dry run takes a host that is known here, which %s is not", from),
		Hint: "meet by a code first, or start imgrecv with --allow " + from.String()}
}

// matchesAny reports whether an image name matches one of the patterns of
// --allow-name, in which * stands for anything but a slash. A pattern without a
// tag takes every tag.
func matchesAny(patterns []string, ref string) bool {
	name, err := store.ParseName(ref)
	if err != nil {
		return false
	}
	short := reference.FamiliarString(name)
	for _, p := range patterns {
		if !strings.Contains(p[strings.LastIndexByte(p, '/')+1:], ":") {
			p += ":*"
		}
		if ok, err := path.Match(p, short); err == nil && ok {
			return true
		}
	}
	return false
}
