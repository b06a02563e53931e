package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/klauspost/compress/zstd"
)

// FileOptions are the settings of [Create] and [NewFile].
type FileOptions struct {
	SinkOptions
	Compress  bool // with zstd, the whole of it
	NoClobber bool // refuse to replace a regular file
}

// A File is a [Sink] into a file that appears whole or not at all.
type File struct {
	*Sink
	f      *os.File
	temp   *temporary // what becomes the file; nil where it is written in place
	target string
	keep   bool           // do not replace what has the name of target
	ends   []func() error // what Commit has to end, in this order
	z      *zstd.Encoder  // nil: not compressed
	unhook func() bool    // ends what an interrupt would do; nil: nothing
}

var _ transfer.Sink = (*File)(nil)

// Create returns a sink into the file path. What was there before stays until
// Commit puts the new file in its place. What is not a regular file, such as a
// device or a named pipe, is written in place; Create waits until somebody reads
// the pipe, or ctx ends. The caller must call Close.
//
// In a folder with the sticky bit where others may write, such as /tmp, Create
// refuses to follow or to replace what belongs to another user, as the kernel does
// for a shell.
func Create(ctx context.Context, path string, o FileOptions) (*File, error) {
	target, in, err := resolve(path)
	w := &File{target: target, keep: o.NoClobber}
	switch {
	case err != nil:
	case in != nil && in.IsDir():
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: &fs.PathError{Op: "write", Path: path, Err: errors.New("is a folder")},
			Hint: "give the name of a file in it"}
	case in != nil && !in.Mode().IsRegular():
		w.f, err = openInPlace(ctx, target, in)
	case in != nil && o.NoClobber:
		return nil, exists(path)
	default:
		mode := fs.FileMode(0o666)
		if in != nil {
			mode = in.Mode().Perm()
		}
		if w.temp, err = newTemporary(target, mode); err == nil {
			w.f = w.temp.f
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, errors.Join(ctx.Err(), w.drop())
	case err != nil:
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, &transfer.Error{Kind: transfer.KindUsage, Op: "write " + path, Err: err}
	}
	if w.temp != nil {
		w.ends = append(w.ends, w.f.Sync)
	} else {
		// Who reads a pipe may stop; it is the only file that has deadlines.
		w.unhook = context.AfterFunc(ctx, func() { _ = w.f.SetWriteDeadline(time.Unix(1, 0)) })
	}
	return w.start(o)
}

// exists is the error for a file that is not to be replaced.
func exists(path string) error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s exists, and is not to be replaced", path),
		Hint: "give the archive another name, or leave out --no-clobber"}
}

// maxFollowed is how many symbolic links resolve follows, as Linux does.
const maxFollowed = 40

// resolve follows the symbolic links at the end of path, but none of another user
// where others may write. It returns the path of what is there and describes that;
// nil if nothing is. A link that leads to an open file and not to a path, such as
// /dev/stdout, is returned itself, with what it leads to.
func resolve(path string) (target string, in fs.FileInfo, err error) {
	for range maxFollowed {
		in, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil, nil
		}
		dir := folderOf(path)
		if err == nil {
			err = checkOwner(dir, in)
		}
		if err != nil || in.Mode().Type() != fs.ModeSymlink {
			return path, in, err
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", nil, err
		}
		if !filepath.IsAbs(to) {
			to = dir + string(filepath.Separator) + to // not cleaned: dir may end in a link
		}
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			if in, err := os.Stat(path); err == nil {
				return path, in, nil
			}
		}
		path = to
	}
	return "", nil, errors.New("too many symbolic links")
}

// readerEvery is how often openInPlace looks for the reader of a named pipe.
const readerEvery = 50 * time.Millisecond

// openInPlace opens what resolve has found to be no regular file, unless something
// else has taken its place.
func openInPlace(ctx context.Context, target string, found fs.FileInfo) (*os.File, error) {
	flags := os.O_WRONLY
	if found.Mode().Type() == fs.ModeNamedPipe {
		flags |= nonBlocking // else it would wait for a reader, and not for ctx
	}
	tick := time.NewTicker(readerEvery)
	defer tick.Stop()
	for {
		f, err := os.OpenFile(target, flags, 0)
		if err == nil {
			in, err := f.Stat()
			if err == nil && !os.SameFile(in, found) {
				err = errors.New("is being replaced by somebody")
			}
			if err != nil {
				_ = f.Close()
				return nil, err
			}
			return f, nil
		}
		if found.Mode().Type() != fs.ModeNamedPipe || !noReader(err) {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
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
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.temp != nil {
		err := w.temp.become(w.target, w.keep)
		if w.keep && errors.Is(err, fs.ErrExist) {
			err = exists(w.target)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := w.f.Close(); err != nil {
		return nil, err
	}
	return out, nil
}

// Close removes what did not become the file.
func (w *File) Close(error) error {
	if w.unhook != nil {
		w.unhook()
	}
	if w.z != nil {
		w.z.Reset(io.Discard) // waits for what it is writing
	}
	return w.drop()
}

// drop closes the file and removes it if it is temporary.
func (w *File) drop() error {
	if w.f != nil {
		_ = w.f.Close() // closed by Commit, or of no interest
	}
	if w.temp != nil {
		return w.temp.remove()
	}
	return nil
}
