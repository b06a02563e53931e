package rootfs

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/imgsend/imgsend/engine/internal/disk"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// What [Spool] finds wrong with a stream. Both are wrapped.
var (
	ErrNotTar    = errors.New("not a tar archive")
	ErrTruncated = errors.New("the tar archive ends early")
)

// A Layer is an uncompressed layer that can be read more than once.
type Layer struct {
	io.ReaderAt
	Size   int64         // in bytes
	DiffID digest.Digest // of those bytes
	file   *os.File
}

// Close gives up the layer's file. It may be called more than once.
func (l *Layer) Close() error {
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}

// spoolBuffer is how much of a stream is read and written at a time.
const spoolBuffer = 256 << 10

// Spool reads r, an uncompressed tar stream, to its io.EOF and keeps it as it
// is in a temporary file (see [os.TempDir]) that has no name. It needs little
// memory, whatever the size. The caller closes the layer.
//
// A stream that is not a tar, is damaged, has something but zeros behind its
// end, or stops before the two empty blocks that end a tar is refused: an export
// that broke off between two files looks whole otherwise. Errors of r come back
// as they are. Between two reads Spool looks whether ctx is done; a read that
// waits for its data is for the caller to end.
func Spool(ctx context.Context, r io.Reader) (*Layer, error) {
	f, err := disk.Spool()
	if err != nil {
		return nil, unkept(err)
	}
	s := &spool{ctx: ctx, r: bufio.NewReaderSize(r, spoolBuffer), w: bufio.NewWriterSize(f, spoolBuffer), sum: digest.SHA256.Digester()}
	err = s.walk()
	if err == nil {
		if err = s.w.Flush(); err != nil {
			err = unkept(err)
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Layer{ReaderAt: f, Size: s.n, DiffID: s.sum.Digest(), file: f}, nil
}

// unkept is the error for a temporary file that cannot be made or written.
func unkept(err error) error {
	return &transfer.Error{Kind: transfer.KindOther, Op: "keep the file system in " + os.TempDir(), Err: err,
		Hint: "it needs as much space there as the file system is big; TMPDIR names another folder"}
}

// A spool is a stream of which every byte that is read is also kept.
type spool struct {
	ctx context.Context // of one Spool
	r   io.Reader
	w   *bufio.Writer
	sum digest.Digester
	n   int64
	eof bool
	err error // of reading or keeping; what the tar reader makes of it is not told
}

func (s *spool) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	// A hash never fails to write.
	_, _ = s.sum.Hash().Write(p[:n])
	if _, werr := s.w.Write(p[:n]); werr != nil {
		s.err = unkept(werr)
		return n, s.err
	}
	s.eof = err == io.EOF
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// walk reads the tar from its first header to the end of the stream.
func (s *spool) walk() error {
	tr := tar.NewReader(s)
	for members := 0; ; members++ {
		_, err := tr.Next()
		switch {
		case s.err != nil:
			return s.err
		case err == io.EOF && s.n == 0:
			return fmt.Errorf("%w: it is empty", ErrNotTar)
		case err == io.EOF && s.eof:
			return fmt.Errorf("%w, after %d bytes, without its end mark", ErrTruncated, s.n)
		case err == io.EOF:
			return s.padding()
		case errors.Is(err, io.ErrUnexpectedEOF) && members > 0:
			return fmt.Errorf("%w, after %d bytes", ErrTruncated, s.n)
		case err != nil && members == 0:
			return ErrNotTar
		case err != nil:
			return fmt.Errorf("the tar archive is damaged before byte %d: %w", s.n, err)
		}
	}
}

// padding reads the zeros that may follow a tar's end.
func (s *spool) padding() error {
	var buf [4096]byte
	for {
		n, err := s.Read(buf[:])
		if rest := bytes.TrimLeft(buf[:n], "\x00"); len(rest) > 0 {
			return fmt.Errorf("the tar archive is followed by something else at byte %d", s.n-int64(len(rest)))
		}
		if s.err != nil {
			return s.err
		}
		if err == io.EOF {
			return nil
		}
	}
}
