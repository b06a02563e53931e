package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"golang.org/x/term"
)

// stdin is the name of standard input for --input.
const stdin = "-"

// loading says what a place does when everything is there.
const loading = "loading and verifying"

// loadFile copies the images of an archive into the engine, or the folder.
func loadFile(ctx context.Context, v *cli.Voice, o options) error {
	start := time.Now()
	f, where, err := openInput(ctx, o.input)
	if err != nil {
		return err
	}
	defer f.Close()
	opts := archive.Options{}
	if o.platform != "" {
		p, err := cli.ParsePlatform(o.platform)
		if err != nil {
			return &cli.UsageError{Err: err}
		}
		opts.Platform = &p
	}
	into, err := engine.Open(ctx, o.address())
	if err != nil {
		return err
	}
	defer into.Close()
	cli.SayStore(v, "into", into)
	src, err := archive.Open(ctx, f, opts)
	if err != nil {
		return unusable(err)
	}
	defer src.Close(nil) // Copy closes it too
	images := src.Images()
	if err := errors.Join(o.naming.Apply(images), o.naming.Unused(), checkNames(images)); err != nil {
		return err
	}
	src.Select(images)
	for _, note := range src.Notes() {
		v.Note(cli.NoteImage, "%s", note)
	}
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
		return unusable(err)
	}
	v.Sayf("%s", t.Done(rep, "loaded from "+where))
	return nil
}

// unusable is the error for an archive that is not what it should be: other than a
// broken connection it stays so.
func unusable(err error) error {
	if transfer.KindOf(err) == transfer.KindBroken {
		return &cli.UsageError{Err: err}
	}
	return err
}

// checkNames reports a name that no image can have.
func checkNames(images []transfer.Image) error {
	for _, m := range images {
		for _, ref := range m.Refs {
			if _, err := store.ParseName(ref); err != nil {
				return &transfer.Error{Kind: transfer.KindUsage, Err: err, Hint: "give the image another name with --as"}
			}
		}
	}
	return nil
}

// openInput opens the archive and says what to call it.
func openInput(ctx context.Context, name string) (io.ReadCloser, string, error) {
	if name != stdin {
		f, err := cli.OpenInput(ctx, name)
		if err != nil {
			return nil, "", &cli.UsageError{Err: err}
		}
		return f, name, nil
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, "", &cli.UsageError{Err: errors.New("an archive does not come from a terminal; name a file, or send one to stdin")}
	}
	in, err := os.Stdin.Stat()
	if err != nil {
		return nil, "", &cli.UsageError{Err: err}
	}
	if in.Mode().IsRegular() {
		return os.Stdin, "stdin", nil
	}
	return cli.Interruptible(ctx, os.Stdin), "stdin", nil
}
