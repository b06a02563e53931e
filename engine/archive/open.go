package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/imgsend/imgsend/engine/internal/disk"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options are the settings of [Open].
type Options struct {
	// Platform picks one of an image with several; nil: all that is present.
	Platform *ocispec.Platform
	// MaxSpool bounds the spool in bytes; 0: spoolFloor and spoolRatio do.
	MaxSpool int64
}

// The limits for the decompressed size of an archive: a size that is always allowed, which
// a disk image of zeros needs, and a multiple of the bytes that have been read.
const (
	spoolFloor = 8 << 30
	spoolRatio = 200
)

// A Source gives the images of an archive. Close removes what was spooled.
type Source struct {
	*layout.Source
	members *members
}

var _ transfer.Source = (*Source)(nil)

// Open reads an archive of images: an OCI image layout, or Docker's format, old
// or new, as it is or compressed with gzip, zstd, bzip2 or xz. A root file system
// as docker export writes it becomes an image of one layer without a name and
// without a command. Archives have
// their metadata last, so it is read twice: an uncompressed regular file is
// read where it lies, member by member; everything else is first spooled,
// decompressed, to a temporary file without a name, which needs the room.
//
// r must stay open until Close, which does not close it. Every image is there
// and complete when Open returns, but that the layers have not been verified:
// [transfer.Copy] does that on the way. Errors of kind [transfer.KindBroken]
// say what is wrong with the archive.
//
// A read of r that is under way when ctx is done is not interrupted.
func Open(ctx context.Context, r io.Reader, o Options) (*Source, error) {
	m, err := read(ctx, r, o)
	if err != nil {
		return nil, err
	}
	s, err := m.source(ctx, o)
	if err != nil {
		m.close()
		return nil, err
	}
	return &Source{Source: s, members: m}, nil
}

// Close ends the source.
func (s *Source) Close(error) error {
	s.members.close()
	return nil
}

// read lists the members of the archive.
func read(ctx context.Context, r io.Reader, o Options) (*members, error) {
	if f, start, size := regular(r); f != nil {
		section := io.NewSectionReader(f, start, size)
		plain := bufio.NewReaderSize(section, 512)
		z, name, err := decompress(plain)
		if err != nil {
			return nil, err
		}
		_ = z.Close() // only looked at
		if _, err := section.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		if name == "" {
			m := newMembers(section)
			m.end = size
			return m, m.read(ctx, section, func() (int64, error) { return section.Seek(0, io.SeekCurrent) })
		}
		r = section
	}
	return spool(ctx, r, o)
}

// regular returns the file that r is and what of it is still to be read, if it
// can be read anywhere.
func regular(r io.Reader) (f *os.File, start, size int64) {
	f, ok := r.(*os.File)
	if !ok {
		return nil, 0, 0
	}
	in, err := f.Stat()
	if err != nil || !in.Mode().IsRegular() {
		return nil, 0, 0
	}
	start, err = f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0, 0
	}
	return f, start, max(in.Size()-start, 0)
}

// spool lists the members while it writes the decompressed archive to a
// temporary file.
func spool(ctx context.Context, r io.Reader, o Options) (*members, error) {
	in := &countingReader{ctx: ctx, r: r}
	z, name, err := decompress(bufio.NewReaderSize(in, 256<<10))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	f, err := disk.Spool()
	if err != nil {
		return nil, unkept(err)
	}
	w := &spoolWriter{w: bufio.NewWriterSize(f, 256<<10), in: in, max: o.MaxSpool, compressed: name}
	w.free, w.known = disk.Free(os.TempDir())
	out := io.TeeReader(&decodeReader{z, name}, w)
	m := newMembers(f)
	m.spool = f
	err = m.read(ctx, out, func() (int64, error) { return w.n, nil })
	if err == nil {
		// To the end: there the compression has its own check.
		_, err = io.Copy(io.Discard, out)
	}
	if err == nil {
		err = w.flush()
	}
	if w.err != nil {
		err = w.err // what its reader makes of it is not told
	}
	m.end = w.n
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// spoolWriter fails before the disk is full, and for a decompression bomb.
type spoolWriter struct {
	w          *bufio.Writer
	in         *countingReader
	n          int64
	max        int64
	free       int64 // of the disk when it began, if that is known
	known      bool
	compressed string
	err        error // why it stopped
}

func (w *spoolWriter) Write(b []byte) (n int, err error) {
	if w.err = w.check(w.n + int64(len(b))); w.err != nil {
		return 0, w.err
	}
	n, err = w.w.Write(b)
	w.n += int64(n)
	w.err = unkept(err)
	return n, w.err
}

// check reports why a spool must not grow to n bytes.
func (w *spoolWriter) check(n int64) error {
	limit := w.max
	if limit == 0 && w.compressed != "" {
		limit = spoolFloor + spoolRatio*w.in.n.Load()
	}
	switch {
	case limit > 0 && n > limit:
		return transfer.Broken("the archive decompresses to more than %d bytes from %d: not one that is meant to be read", limit, w.in.n.Load())
	case w.known && n > w.free:
		return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("no room to spool the archive: %d bytes are free for temporary files", w.free),
			Hint: spoolHint}
	}
	return nil
}

func (w *spoolWriter) flush() error {
	w.err = unkept(w.w.Flush())
	return w.err
}

const spoolHint = "set TMPDIR to a folder with more room, or decompress the archive to a file first"

// unkept is the error for a spool that cannot be made or written, such as on a
// disk that somebody else fills meanwhile.
func unkept(err error) error {
	if err == nil {
		return nil
	}
	return &transfer.Error{Kind: transfer.KindUsage, Op: "spool the archive", Err: err, Hint: spoolHint}
}

type countingReader struct {
	ctx context.Context
	r   io.Reader
	n   atomic.Int64 // decoders read ahead on goroutines of their own
}

func (c *countingReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// decodeReader marks errors as those of the compression.
type decodeReader struct {
	r    io.Reader
	name string
}

func (d *decodeReader) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF && d.name != "" && !errors.Is(err, context.Canceled) {
		err = transfer.Broken("the archive's %s compression: %w", d.name, early(err))
	}
	return n, err
}

var errEarly = errors.New("the archive ends early")

// early rewords the error of data that ends too early.
func early(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return errEarly
	}
	return err
}
