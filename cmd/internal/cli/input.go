package cli

import (
	"context"
	"errors"
	"io"
	"os"
)

// OpenInput opens a file to read it. What is no regular file may keep a reader
// waiting, such as a named pipe without a writer: the end of ctx ends that.
func OpenInput(ctx context.Context, name string) (io.ReadCloser, error) {
	in, err := os.Stat(name)
	switch {
	case err != nil || in.Mode().IsRegular():
		return os.Open(name)
	case in.IsDir():
		return nil, &os.PathError{Op: "open", Path: name, Err: errors.New("is a folder")}
	}
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(name)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, o.err
		}
		return Interruptible(ctx, o.f), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Interruptible returns a reader of r whose reads fail when ctx ends: a read from a
// pipe or a terminal cannot be interrupted itself. Such a read may go on in the
// background. The caller closes what is returned, and not r.
func Interruptible(ctx context.Context, r io.ReadCloser) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.Copy(pw, r)
		_ = r.Close()
		_ = pw.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { _ = pw.CloseWithError(ctx.Err()) })
	return pr
}
