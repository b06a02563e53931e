package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

type options struct {
	listen, name, host          string
	allow, allowNames           []string
	yes, keep, code, noRemember bool
	noClobber, waitAgain        bool
	saved                       cli.PeerActions
	waits                       cli.Waits
	retryFor                    time.Duration // when the line breaks; 0: not at all
	patience                    transfer.Patience

	input, store, platform string
	output                 string
	compressed             bool // the archive of --output
	namespace              string
	have, clean            bool
	as                     []string
	from                   string   // the host that images are fetched from; empty: wait
	images                 []string // that are fetched; none: what is offered
	list, dryRun           bool
	size                   string // of --max-size
	sized                  bool   // --max-size is given, also as "", which is an error
	most                   int64  // in bytes; 0: not said
	naming                 *cli.Naming
}

// check reads the command line.
func (o *options) check(args []string) error {
	o.images = args
	if err := (&wire.Request{Names: args}).Check(); err != nil {
		return &cli.UsageError{Err: err}
	}
	if o.from == "" && len(args) > 0 {
		if info, err := os.Stat(args[0]); err == nil && info.Mode().IsRegular() {
			return &cli.UsageError{Err: fmt.Errorf("imgrecv takes no arguments; did you mean -i %s?", args[0])}
		}
		return &cli.UsageError{Err: fmt.Errorf("%q is an image to fetch, and there is no --from with the host that has it (imgrecv -h shows how)", args[0])}
	}
	for _, p := range o.allowNames {
		if err := store.CheckPattern(p); err != nil {
			return &cli.UsageError{Err: fmt.Errorf("--allow-name %s: %w", p, err)}
		}
	}
	if o.sized {
		n, err := transfer.ParseBytes(o.size)
		if err == nil && n == 0 {
			err = errors.New("nothing fits into 0 bytes")
		}
		if err != nil {
			return &cli.UsageError{Err: fmt.Errorf("--max-size: %w", err)}
		}
		o.most = n
	}
	var err error
	if o.retryFor, o.patience, err = o.waits.Parse(); err != nil {
		return err
	}
	if err := o.conflicts(); err != nil {
		return &cli.UsageError{Err: err}
	}
	naming, err := cli.ParseNaming(o.as)
	if err != nil {
		return err
	}
	o.naming = naming
	if o.name == "" {
		o.name, _ = os.Hostname()
		o.name = peer.CleanName(o.name)
	}
	if err := peer.CheckName(o.name); err != nil {
		return &cli.UsageError{Err: fmt.Errorf("--name: %w", err)}
	}
	return nil
}

// conflicts says which options do not go together.
func (o *options) conflicts() error {
	if err := o.archiveConflicts(); err != nil {
		return err
	}
	if o.from != "" {
		return o.fetchConflicts()
	}
	network := o.listen != "" || o.yes || o.keep || o.code || o.noRemember || o.waitAgain || len(o.allow) > 0 || o.waits.RetryGiven()
	switch {
	case o.list || o.dryRun:
		return errors.New("--list and --dry-run go with --from")
	case o.input != "" && network:
		return errors.New("--listen, --yes, --keep, --code, --no-remember, --retry-for, --wait-again and --allow are for the network, --input is a file")
	case o.clean && (o.have || o.input != "" || o.store != "" || network || len(o.as) > 0 || o.sized):
		return errors.New("--clean removes what the engine has kept, and goes with --host and --namespace only")
	case o.have && (o.input != "" || o.store != "" || network || len(o.as) > 0 || o.sized):
		return errors.New("--have lists what the engine has, and goes with --host, --namespace and --name only")
	case o.input == "" && o.platform != "":
		return errors.New("--platform goes with --input")
	case o.store != "" && o.host != "":
		return errors.New("either --store or --host, not both")
	case o.store != "" && o.namespace != "":
		return errors.New("--namespace is for containerd, not for --store")
	case o.keep && o.waitAgain:
		return errors.New("--keep waits for more transfers whatever happens, --wait-again for one that has broken")
	case o.keep && len(o.as) > 0:
		return errors.New("--as names the images of one transfer, --keep waits for several")
	}
	return nil
}

// fetchConflicts says which options do not go with --from.
func (o *options) fetchConflicts() error {
	switch {
	case o.listen != "" || o.yes || o.keep || o.code || o.waitAgain || len(o.allow) > 0:
		return errors.New("--from dials: --listen, --yes, --keep, --code, --wait-again and --allow do not go with it")
	case o.input != "" || o.have || o.clean || o.platform != "":
		return errors.New("--from fetches over the network: --input, --have, --clean and --platform do not go with it")
	case o.list && (o.dryRun || len(o.images) > 0 || o.store != "" || o.host != "" || o.namespace != "" || len(o.as) > 0 || len(o.allowNames) > 0 || o.sized || o.noClobber):
		return errors.New("--list only asks what is offered: images, --dry-run and what says where they go do not go with it")
	case o.store != "" && o.host != "":
		return errors.New("either --store or --host, not both")
	case o.store != "" && o.namespace != "":
		return errors.New("--namespace is for containerd, not for --store")
	}
	return nil
}

// address returns where images go.
func (o *options) address() engine.Address {
	return engine.Address{Host: o.host, Namespace: o.namespace, Folder: o.store}
}

// maxSize returns how many bytes one transfer may bring into a store or an archive: what
// --max-size says, or else what there is room for; 0 is no limit.
func (o *options) maxSize(into store.Target) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		if o.most > 0 {
			return o.most, nil
		}
		free, known := into.Free(ctx)
		if !known {
			return 0, nil
		}
		return max(free, 1), nil
	}
}

func (o *options) sinkOptions() store.SinkOptions { return store.SinkOptions{NoClobber: o.noClobber} }
