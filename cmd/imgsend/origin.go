package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An origin is where the images come from.
type origin struct {
	transfer.Source
	name     string // "Docker 28.5.2, containerd store", for the other side
	platform ocispec.Platform
	// runLine returns the command that starts the container that was sent, with a program
	// such as "docker"; nil if none was sent.
	runLine func(program string) string
	// sent is called when everything has arrived; nil if nothing is to be done.
	sent func(context.Context) error
	// close removes what was made for this run, also when ctx is done. Copy closes
	// the source, and close may do so again.
	close func(context.Context) error
}

// containers are stores that have containers besides images.
type containers interface {
	Container(ctx context.Context, name string) (*docker.Container, error)
	ContainerNames(ctx context.Context) ([]string, error)
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
	if j.container != nil {
		err = o.open(ctx, v, from, j.container)
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

// open makes the image of a container.
func (o *origin) open(ctx context.Context, v *cli.Voice, from store.Store, j *containerJob) error {
	eng, ok := from.(containers)
	if !ok {
		return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("containers of %s cannot be sent", from),
			Hint: "make an image of it with nerdctl commit, and send that"}
	}
	c, err := eng.Container(ctx, j.name)
	if err != nil {
		return err
	}
	for _, m := range c.Mounts {
		v.Note(cli.NoteMount, "%s is not part of the image", m)
	}
	if lost := c.Lost(); len(lost) > 0 {
		v.Note(cli.NoteNotKept, "the image does not keep: %s", strings.Join(lost, ", "))
	}
	o.runLine = func(program string) string {
		return c.RunLine(program, cmp.Or(j.as, "IMAGE"), j.flatten == flattenBare)
	}
	if j.as == "" {
		v.Note(cli.NoteNameless, "the image arrives without a name: --as NAME gives it one")
	}
	if j.flatten != "" {
		v.Sayf("reading the file system of %s", c.Name)
		defer v.Working("reading")()
		o.Source, err = c.Flatten(ctx, docker.FlattenOptions{As: j.as, Bare: j.flatten == flattenBare,
			Message: j.commit.Message, Author: j.commit.Author, NoPause: j.commit.NoPause})
		if err != nil {
			return err
		}
		end := o.close
		o.close = func(ctx context.Context) error {
			_ = o.Close(nil) // its spool, if nobody came to copy it
			return end(ctx)
		}
		return nil
	}
	v.Sayf("committing %s", c.Name)
	committed := v.Working("the engine commits")
	image, err := c.Commit(ctx, j.commit)
	committed()
	if err != nil {
		return err
	}
	end := o.close
	o.close = func(ctx context.Context) error { return errors.Join(image.Remove(ctx), end(ctx)) }
	if j.keep {
		o.sent = func(ctx context.Context) error { return image.Keep(ctx, j.as) }
	}
	return o.images(ctx, v, from, []store.Request{image.Request(j.as)}, nil)
}

// images opens images of the store.
func (o *origin) images(ctx context.Context, v *cli.Voice, from store.Store, reqs []store.Request, platform *ocispec.Platform) error {
	defer v.Working("asking the engine about the images")()
	src, err := from.Source(ctx, reqs, store.SourceOptions{Platform: platform, OnExport: func(m *transfer.Image, exporter, why string) {
		v.Detailf("%s left the engine by %s: %s", cli.Title(m), exporter, why)
		v.Event(cli.ExportEvent{Event: "export", Image: cli.Title(m), Exporter: exporter, Why: why})
	}})
	if err != nil {
		return mistaken(ctx, from, reqs, err)
	}
	for _, note := range src.Notes() {
		v.Note(cli.NoteImage, "%s", note)
	}
	o.Source = src
	return nil
}
