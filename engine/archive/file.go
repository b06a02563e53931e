package archive

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/imgsend/imgsend/transfer"
	"github.com/klauspost/compress/zstd"
)

// FileOptions say how a file is written.
type FileOptions struct {
	SinkOptions
	Compress bool // with zstd, the whole of it
}

// A File is a [Sink] into a file that appears whole or not at all.
type File struct {
	*Sink
	f      *os.File
	temp   string // its name until Commit; empty where it is written in place
	target string
	ends   []func() error // what Commit has to end, in this order
	z      *zstd.Encoder  // nil: not compressed
}

var _ transfer.Sink = (*File)(nil)

// Create returns a sink into the file path. What was there before stays until
// Commit puts the new file in its place. What is not a regular file, such as a
// device or a named pipe, is written in place. The caller must call Close.
func Create(path string, o FileOptions) (*File, error) {
	target := path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		target = real
	}
	w := &File{target: target}
	in, err := os.Stat(target)
	switch {
	case err == nil && in.IsDir():
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: &fs.PathError{Op: "write", Path: path, Err: errors.New("is a folder")},
			Hint: "give the name of a file in it"}
	case err == nil && !in.Mode().IsRegular():
		w.f, err = os.OpenFile(target, os.O_WRONLY, 0)
	default:
		w.temp = filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+"."+rand.Text()[:8])
		mode := fs.FileMode(0o666)
		if err == nil {
			mode = in.Mode().Perm()
		}
		w.f, err = os.OpenFile(w.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	}
	if err != nil {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Op: "write " + path, Err: errors.Unwrap(err)}
	}
	if w.temp != "" {
		w.ends = append(w.ends, w.f.Sync)
	}
	return w.start(o)
}

// NewFile returns a sink into an open file, such as a pipe: what is written to it
// stays, also when the archive is not ended. It is closed by Commit or Close.
func NewFile(f *os.File, o FileOptions) (*File, error) { return (&File{f: f}).start(o) }

// start sets up what writes into the file.
func (w *File) start(o FileOptions) (*File, error) {
	buf := bufio.NewWriterSize(w.f, 256<<10)
	ends := []func() error{buf.Flush}
	var out io.Writer = buf
	if o.Compress {
		z, err := zstd.NewWriter(buf)
		if err != nil {
			return nil, errors.Join(err, w.Close(err))
		}
		out, w.z = z, z
		ends = []func() error{z.Close, buf.Flush}
	}
	w.ends = append(ends, w.ends...)
	w.Sink = NewSink(out, o.SinkOptions)
	return w, nil
}

// Commit ends the archive and gives the file its name.
func (w *File) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	out, err := w.Sink.Commit(ctx, x)
	if err != nil {
		return nil, err
	}
	for _, end := range w.ends {
		if err := end(); err != nil {
			return nil, err
		}
	}
	if err := w.f.Close(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.temp != "" {
		if err := os.Rename(w.temp, w.target); err != nil {
			return nil, err
		}
		w.temp = ""
	}
	return out, nil
}

// Close removes what did not become the file.
func (w *File) Close(error) error {
	if w.z != nil {
		w.z.Reset(io.Discard) // waits for what it is writing
	}
	_ = w.f.Close() // closed by Commit, or of no interest
	if w.temp == "" {
		return nil
	}
	return os.Remove(w.temp)
}
