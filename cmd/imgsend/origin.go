package main

import (
	"context"
	"errors"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An origin is where the images come from.
type origin struct {
	transfer.Source
	name     string // "Docker 28.5.2, containerd store", for the other side
	platform ocispec.Platform
	// sent is called when everything has arrived; nil if nothing is to be done.
	sent func(context.Context) error
	// close removes what was made for this run, also when ctx is done. Copy closes
	// the source, and close may do so again.
	close func(context.Context) error
}

// origin opens the source. The caller must call its close.
func (j *job) origin(ctx context.Context, v *cli.Voice) (_ *origin, err error) {
	if j.store != "" {
		src, err := folder.NewSource(ctx, j.store, j.requests, j.platform)
		if err != nil {
			return nil, err
		}
		v.Sayf("from the OCI layout %s", j.store)
		for _, note := range src.Notes() {
			v.Sayf("note: %s", note)
		}
		return &origin{Source: src, name: "an OCI layout folder", close: func(context.Context) error { return nil }}, nil
	}
	eng, err := docker.Find(ctx, j.host)
	if err != nil {
		return nil, err
	}
	v.Sayf("from %s at %s (%s)", eng, eng.Endpoint().Host, eng.Endpoint().From)
	o := &origin{name: eng.String(), platform: eng.Platform(), close: func(context.Context) error { return eng.Close() }}
	if j.container != nil {
		err = o.open(ctx, v, eng, j.container)
	} else {
		err = o.images(ctx, v, eng, j.requests)
	}
	if err != nil {
		return nil, errors.Join(err, o.close(ctx))
	}
	return o, nil
}

// open makes the image of a container.
func (o *origin) open(ctx context.Context, v *cli.Voice, eng *docker.Engine, j *containerJob) error {
	c, err := eng.Container(ctx, j.name)
	if err != nil {
		return err
	}
	for _, m := range c.Mounts {
		v.Warnf("note: %s is not part of the image", m)
	}
	if j.flatten != "" {
		v.Sayf("reading the file system of %s", c.Name)
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
	image, err := c.Commit(ctx, j.commit)
	if err != nil {
		return err
	}
	end := o.close
	o.close = func(ctx context.Context) error { return errors.Join(image.Remove(ctx), end(ctx)) }
	if j.keep {
		o.sent = func(ctx context.Context) error { return image.Keep(ctx, j.as) }
	}
	return o.images(ctx, v, eng, []docker.Request{image.Request(j.as)})
}

// images opens images of the engine.
func (o *origin) images(ctx context.Context, v *cli.Voice, eng *docker.Engine, reqs []docker.Request) error {
	src, err := docker.NewSource(ctx, eng, reqs)
	if err != nil {
		return err
	}
	src.OnExport = func(m *transfer.Image, exporter, why string) {
		v.Detailf("%s left the engine by %s: %s", cli.Title(m), exporter, why)
		v.Event(cli.ExportEvent{Event: "export", Image: cli.Title(m), Exporter: exporter, Why: why})
	}
	for _, note := range src.Notes() {
		v.Sayf("note: %s", note)
	}
	o.Source = src
	return nil
}
