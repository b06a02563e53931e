package main

import (
	"context"
	"errors"
	"os"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/store"
)

// target opens the store or the archive of --output that images are received into. The caller
// closes it.
func (o *options) target(ctx context.Context, v *cli.Voice) (store.Target, error) {
	if o.output == "" {
		return engine.Open(ctx, o.address())
	}
	t := &archive.Target{Path: o.output, Compress: o.compressed}
	if o.output == cli.Stdout {
		if err := v.ArchiveToStdout(); err != nil {
			return nil, err
		}
		t.Path, t.File = "stdout", os.Stdout
	}
	return t, t.Check(ctx, o.sinkOptions())
}

// archiveConflicts returns an error if an option conflicts with --output. It also sets whether
// the archive is compressed.
func (o *options) archiveConflicts() error {
	switch {
	case o.output == "":
		return nil
	case o.input != "" || o.store != "" || o.host != "" || o.namespace != "" || o.have || o.clean:
		return errors.New("--output receives into an archive: --input, --store, --host, --namespace, --have and --clean do not go with it")
	case o.list:
		return errors.New("--list prints what is offered, and --output is for what is fetched")
	case o.dryRun && o.output == cli.Stdout:
		return errors.New("a dry run prints its plan on stdout; name a file, which it does not write")
	case o.keep:
		return errors.New("--keep waits for several transfers, and --output is one archive")
	}
	var err error
	o.compressed, err = cli.Compresses(o.output)
	return err
}

// inPlace reports whether the target is an archive that is written to a pipe or a device, so
// its reader sees each byte at once.
func inPlace(into store.Target) bool {
	t, ok := into.(*archive.Target)
	return ok && t.InPlace()
}

// startsOver reports whether a broken transfer can be received again from the start. Bytes that
// were written to a pipe cannot be taken back.
func (r *receiver) startsOver() bool { return !inPlace(r.into) }
