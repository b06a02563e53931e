package main

import (
	"context"
	"errors"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// loading says what a place does when everything is there.
const loading = "loading and verifying"

// loadFile copies the images of an archive into the engine, or the folder.
func loadFile(ctx context.Context, v *cli.Voice, o options) error {
	start := time.Now()
	f, where, err := cli.OpenArchive(ctx, o.input)
	if err != nil {
		return err
	}
	defer f.Close()
	var platform *ocispec.Platform
	if o.platform != "" {
		p, err := cli.ParsePlatform(o.platform)
		if err != nil {
			return &cli.UsageError{Err: err}
		}
		platform = &p
	}
	into, err := engine.Open(ctx, o.address())
	if err != nil {
		return err
	}
	defer into.Close()
	cli.SayStore(v, "into", into)
	src, err := cli.ReadArchive(ctx, v, f, platform, func(images []transfer.Image) ([]transfer.Image, error) {
		return images, errors.Join(o.naming.Apply(images), o.naming.Unused())
	})
	if err != nil {
		return err
	}
	defer src.Close(nil) // Copy closes it too
	sink, err := into.Sink(ctx, o.sinkOptions())
	if err != nil {
		return err
	}
	t := &cli.Transfer{Voice: v, Progress: &transfer.Progress{}, Side: "here", Act: "load", Start: start,
		Host: "this engine", Platform: layout.PlatformText(into.Platform()), Words: func(p transfer.Phase) string {
			switch p {
			case transfer.Moving:
				return "reading " + where
			case transfer.Loading:
				return loading
			}
			return p.String()
		}}
	t.StartMeter()
	rep, err := t.Copy(ctx, src, sink, transfer.Options{
		Accept:  func(_ context.Context, offer *transfer.Offer) error { return allowedNames(o.allowNames, offer) },
		MaxSize: o.maxSize(into), Patience: o.patience,
	})
	if err != nil {
		return cli.UnusableArchive(err)
	}
	v.Sayf("%s", t.Done(rep, "loaded from "+where))
	return nil
}
