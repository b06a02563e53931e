package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"golang.org/x/term"
)

// A door decides who may send images here: peers on the allow list, with --yes
// anybody, on a terminal whom the user accepts.
type door struct {
	v        *cli.Voice
	allowed  map[peer.ID]bool
	yes      bool
	terminal bool
	answers  <-chan string // lines typed, once the first question was asked
}

func newDoor(v *cli.Voice, o options) (*door, error) {
	d := &door{v: v, allowed: map[peer.ID]bool{}, yes: o.yes,
		terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd()))}
	for _, s := range o.allow {
		id, err := peer.ParseID(s)
		if err != nil {
			return nil, &cli.UsageError{Err: fmt.Errorf("--allow %s: not a peer ID: %w", s, err)}
		}
		d.allowed[id] = true
	}
	return d, nil
}

// policy is who gets as far as making an offer. With an allow list only, a
// stranger is turned away before that, and imgrecv waits on.
func (d *door) policy() peer.Policy {
	return peer.Policy{
		Allow:     func(id peer.ID) bool { return d.yes || d.allowed[id] },
		Strangers: func() bool { return d.terminal || len(d.allowed) == 0 },
	}
}

var errRefused = &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("the offer was refused")}

// accept decides about the offer that has been shown.
func (d *door) accept(ctx context.Context, from peer.ID) error {
	if d.yes || d.allowed[from] {
		return nil
	}
	if !d.terminal {
		return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s is not on the allow list", from),
			Hint: "start imgrecv with --allow " + from.String() + ", with --yes, or on a terminal"}
	}
	d.v.Ask("accept? [y/N]")
	if d.answers == nil {
		d.answers = readLines(os.Stdin)
	}
	select {
	case line, ok := <-d.answers:
		if !ok {
			d.v.Ask("\n")
		}
		if a := strings.ToLower(strings.TrimSpace(line)); a == "y" || a == "yes" {
			return nil
		}
		return errRefused
	case <-ctx.Done():
		d.v.Ask("\n")
		return ctx.Err()
	}
}

// readLines reads lines in the background, for as long as the program runs: a
// read from a terminal cannot be interrupted.
func readLines(r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}
