package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

// checkOutput refuses an archive on stdout where something else is shown.
func (j *job) checkOutput(v *cli.Voice) error {
	switch {
	case j.output != cli.Stdout:
		return nil
	case j.dryRun:
		return usageError(errors.New("a dry run prints its plan on stdout; name a file, which it does not write"))
	}
	return v.ArchiveToStdout()
}

// write copies the images into an archive.
func (j *job) write(ctx context.Context, v *cli.Voice) (err error) {
	if err := j.checkOutput(v); err != nil {
		return err
	}
	start := time.Now()
	opts := archive.FileOptions{Compress: j.compressed}
	if j.have != "" {
		list, err := readHave(ctx, j.have)
		if err != nil {
			return err
		}
		v.Sayf("leaving out what %s had on %s (%s)", list.Host, list.Created.Local().Format("2006-01-02 15:04"), list.Engine)
		opts.Have, opts.For = list.Have, list.Host
	}
	from, err := j.origin(ctx, v)
	if err != nil {
		return err
	}
	defer func() { err = from.end(ctx, v, err) }()
	var file *archive.File
	where := j.output
	if j.output == cli.Stdout {
		where = "stdout"
		file, err = archive.NewFile(os.Stdout, opts)
	} else {
		file, err = archive.Create(ctx, j.output, opts)
	}
	if err != nil {
		return err
	}
	s := &sending{host: where, engine: from.name, verb: "written to " + where, doing: "writing",
		Transfer: cli.Transfer{Voice: v, Progress: &transfer.Progress{}, Side: "there", Act: "write", Start: start, Host: where}}
	_, err = s.run(ctx, j, from, file)
	return repeated(err)
}

// repeated is the error for blobs that are not what they should be: other than over
// a broken connection they come again as they are.
func repeated(err error) error {
	var e *transfer.Error
	if errors.As(err, &e) && e.Kind == transfer.KindBroken {
		return &transfer.Error{Kind: transfer.KindOther, Err: err, Hint: e.Hint}
	}
	return err
}

// readHave reads a list that imgrecv --have printed.
func readHave(ctx context.Context, name string) (*store.HaveList, error) {
	f, err := cli.OpenInput(ctx, name)
	if err != nil {
		return nil, usageError(err)
	}
	defer f.Close()
	list, err := store.ReadHaveList(f)
	if err != nil {
		return nil, usageError(fmt.Errorf("--have %s: %w", name, err))
	}
	return list, nil
}
