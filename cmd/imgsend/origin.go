package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An origin is where the images come from.
type origin struct {
	transfer.Source
	name     string // "Docker 28.5.2, containerd store", for the other side
	platform ocispec.Platform
	// runLines return the commands that start the containers that were sent, with a program
	// such as "docker".
	runLines []func(program string) string
	// again opens the images once more, while Source is in use.
	again func(context.Context) (transfer.Source, error)
	// sent is called when everything has arrived; nil if nothing is to be done.
	sent func(context.Context) error
	// close removes what was made for this run, also when ctx is done. Copy closes
	// the source, and close may do so again.
	close func(context.Context) error
}

// origin opens the source. The caller must call its close.
func (j *job) origin(ctx context.Context, v *cli.Voice) (_ *origin, err error) {
	if j.input != "" {
		return j.archive(ctx, v)
	}
	from, err := engine.Open(ctx, engine.Address{Host: j.host, Namespace: j.namespace, Folder: j.store})
	if err != nil {
		return nil, withoutStore(j.requests, err)
	}
	if !j.said {
		cli.SayStore(v, "from", from)
	}
	o := &origin{name: from.String(), platform: from.Platform(), close: func(context.Context) error { return from.Close() }}
	if j.containers != nil {
		err = o.open(ctx, v, from, j.containers)
	} else {
		reqs := j.requests
		if j.set != nil {
			reqs, err = j.set.requests(ctx, from, cmp.Or(j.store, from.String()))
		}
		if err == nil {
			err = o.images(ctx, v, from, reqs, j.platform)
		}
	}
	if err != nil {
		return nil, errors.Join(err, o.close(ctx))
	}
	return o, nil
}

// end closes o after a transfer that ended with err. What arrived has arrived: that
// something could not be tidied up here is a warning then.
func (o *origin) end(ctx context.Context, v *cli.Voice, err error) error {
	left := o.close(ctx)
	if err == nil && left != nil && ctx.Err() == nil {
		v.Warn(cli.WarnLeftover, "%v", left)
		return nil
	}
	return errors.Join(err, left)
}

// images opens images of the store.
func (o *origin) images(ctx context.Context, v *cli.Voice, from store.Store, reqs []store.Request, platform *ocispec.Platform) error {
	defer v.Working("asking the engine about the images")()
	opts := store.SourceOptions{Platform: platform, OnExport: func(m *transfer.Image, exporter, why string) {
		v.Detailf("%s left the engine by %s: %s", cli.Title(m), exporter, why)
		v.Event(cli.ExportEvent{Event: "export", Image: cli.Title(m), Exporter: exporter, Why: why})
	}}
	src, err := from.Source(ctx, reqs, opts)
	if err != nil {
		return mistaken(ctx, from, reqs, err)
	}
	for _, note := range src.Notes() {
		v.Note(cli.NoteImage, "%s", note)
	}
	o.Source = src
	o.again = func(ctx context.Context) (transfer.Source, error) { return from.Source(ctx, reqs, opts) }
	return nil
}

// repeat sets again to what reads the blobs of src once more.
func (o *origin) repeat(src interface{ Again() *layout.Source }) {
	o.again = func(context.Context) (transfer.Source, error) { return src.Again(), nil }
}
