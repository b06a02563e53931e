package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/cmd/internal/reach"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// destinations returns the peers that --to names. Without --to the user is asked for one peer.
func destinations(ctx context.Context, v *cli.Voice, to []string) ([]peer.Target, error) {
	if len(to) == 0 {
		to = []string{""}
	}
	given, asked := make([]string, len(to)), 0
	for i, text := range to {
		given[i] = strings.Clone(text) // Target overwrites a code everywhere in the arguments
		if text == "" && len(to) > 1 {
			return nil, usageError(errors.New("one of several --to names no peer"))
		}
		if text == "-" {
			asked++
		}
	}
	if asked > 1 {
		return nil, usageError(errors.New("--to - is for one of several receivers"))
	}
	targets := make([]peer.Target, len(to))
	seen := map[string]bool{}
	for i, text := range given {
		var err error
		if targets[i], err = reach.To.Target(ctx, v, text); err != nil {
			return nil, err
		}
		name := receiver(targets[i])
		if seen[name] {
			return nil, usageError(fmt.Errorf("--to %s is given more than once", name))
		}
		seen[name] = true
	}
	return targets, nil
}

// receiver returns the label of a receiver: the value of --to without the words of a code and
// without the ID after an address.
func receiver(t peer.Target) string {
	if t.Kind == peer.TargetPeer && t.Addr != nil {
		t.Kind = peer.TargetAddr
	}
	return t.String()
}

// fan sends to several hosts at the same time. A failure of one does not stop the others. The
// images are read once, and once more for a receiver that continues alone, see [transfer.Hub].
func fan(ctx context.Context, v *cli.Voice, j *job, r *reach.Reacher, targets []peer.Target) (err error) {
	start := time.Now()
	from, err := j.origin(ctx, v)
	if err != nil {
		return err
	}
	defer func() { err = from.end(ctx, v, err) }()
	cli.LimitMemory(len(targets))
	hub := transfer.NewHub(ctx, from.Source, transfer.HubOptions{Lag: j.lag, Again: from.again})
	blocks := new(wire.BlockCache)
	asker := new(reach.Asker)
	each := *from
	each.sent = nil // conclude calls it once for all receivers
	taps := make([]*transfer.Tap, len(targets))
	for i, target := range targets {
		of := v.Of(receiver(target))
		taps[i] = hub.Tap(func(why string) { of.Note(cli.NoteAlone, "it goes on alone: %s", why) })
	}
	all := make([]cli.Received, len(targets))
	var wg sync.WaitGroup
	for i, target := range targets {
		got, tap, own := &all[i], taps[i], *r
		got.To = receiver(target)
		own.Voice, own.Asker = v.Of(got.To), asker
		d := &delivery{v: own.Voice, j: j, r: &own, from: &each, tap: tap, blocks: blocks, start: start}
		wg.Go(func() {
			got.Report, got.Err = d.run(ctx, target)
			got.Took = time.Since(start)
			if got.Report == nil {
				_ = tap.Close(got.Err)
			}
			if got.Err != nil && ctx.Err() == nil {
				d.v.Fail(got.Err)
			}
		})
	}
	wg.Wait()
	if err := hub.Close(); err != nil && ctx.Err() == nil {
		v.Warn(cli.WarnLeftover, "%v", err)
	}
	return conclude(ctx, v, from, all)
}

// conclude prints the results and returns a [cli.SeveralError] if a transfer failed. It keeps
// the image of a container if at least one receiver has it.
func conclude(ctx context.Context, v *cli.Voice, from *origin, all []cli.Received) error {
	several := &cli.SeveralError{Of: len(all)}
	arrived := false
	for _, got := range all {
		switch {
		case got.Err == nil:
			arrived = arrived || !got.Report.DryRun
		case several.Failed == 0:
			several.First = got.Err
			fallthrough
		default:
			several.Failed++
		}
	}
	v.Table(all)
	var err error
	if several.Failed > 0 {
		err = several
	}
	if arrived && from.sent != nil {
		err = errors.Join(err, from.sent(ctx))
	}
	return err
}
