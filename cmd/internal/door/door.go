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

// Config says which peers a Door lets in and how it talks to the user.
type Config struct {
	Way      Way
	Voice    *cli.Voice
	Book     *peer.Book
	Name     string   // the name of this host, as its peers see it
	Allow    []string // IDs of the peers to let in besides saved ones
	Yes      bool     // let every peer in
	Code     bool     // pair with new hosts by a code, even without a terminal
	Keep     bool     // serve visitors until the program is stopped
	Remember bool     // save peers that paired by a code
}

// A Door decides which peers may transfer images:
//
//   - saved peers that have the right, unless it was revoked;
//   - peers on the allow list;
//   - peers that paired by a code;
//   - with Yes, every peer;
//   - on a terminal, a peer that the user accepts.
type Door struct {
	Config
	codes    bool // the door pairs with new hosts by a code
	terminal bool
	console  *console // used only if terminal is true

	mu      sync.Mutex
	allowed map[peer.ID]bool
}

// New returns a Door for c. It returns a [*cli.UsageError] if an element of Allow is not a peer
// ID.
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

// Terminal reports whether stdin and stderr are terminals, so the user can be asked.
func (d *Door) Terminal() bool { return d.terminal }

// Knows reports whether a peer may transfer without a question to the user. It checks the file
// of saved peers on each call: a peer that was forgotten no longer counts.
func (d *Door) Knows(id peer.ID) bool {
	d.mu.Lock()
	allowed := d.Yes || d.allowed[id]
	d.mu.Unlock()
	return allowed || d.Book.May(id, d.Way.Right)
}

// knowsAnybody reports whether any peer may transfer without a question to the user. It returns
// true if the file of saved peers cannot be read.
func (d *Door) knowsAnybody() bool {
	if d.listed() {
		return true
	}
	list, err := d.Book.List()
	return err != nil || slices.ContainsFunc(list, func(p peer.Peer) bool { return p.Rights.Has(d.Way.Right) })
}

// takesStrangers reports whether peers may connect that are neither saved nor have a code: with
// --yes or an allow list, or if the door shows no code and knows no peer.
func (d *Door) takesStrangers() bool {
	return d.listed() || !d.codes && !d.knowsAnybody()
}

// listed reports whether there is --yes or an allow list.
func (d *Door) listed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Yes || len(d.allowed) > 0
}

// admit allows a peer until this program ends.
func (d *Door) admit(id peer.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.allowed[id] = true
}

// Asks reports whether [Door.Accept] asks the user about a peer.
func (d *Door) Asks(id peer.ID) bool { return d.terminal && !d.Knows(id) }

// letsSomebodyIn reports whether any peer can still transfer when no code is shown.
func (d *Door) letsSomebodyIn() bool { return d.terminal && !d.Keep || d.knowsAnybody() }

// Policy returns the policy for [peer.Listen], which decides which peers may open a stream. It
// refuses strangers if nobody can be asked and a known peer may still come.
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

// Accept decides on an offer that was already shown to the user. decided is false if ctx ended
// before the user answered, for example because the sender disconnected. The error says why the
// offer is refused.
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

// RefusedDryRun returns the error for a stranger's dry run. The user is not asked about dry
// runs: a stranger could send any number of them, and the user's answer to one question could
// count for the next.
func (d *Door) RefusedDryRun(from peer.ID) error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("a dry run takes a host that is known here, which %s is not", from),
		Hint: "meet by a code first, or start " + d.Way.Program + " with --allow " + from.String()}
}
