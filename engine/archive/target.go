package archive

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/imgsend/imgsend/engine/internal/disk"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Target is an archive as a [store.Target]. Each of its sinks writes the whole archive.
type Target struct {
	Path     string   // of the archive
	File     *os.File // if not nil, an open file such as a pipe that is written instead; Path is what it is called
	Compress bool     // with zstd
}

var _ store.Target = (*Target)(nil)

func (t *Target) String() string { return "an archive" }

// Where returns the path.
func (t *Target) Where() string { return t.Path }

// Platform is none: nothing runs in an archive.
func (t *Target) Platform() ocispec.Platform { return ocispec.Platform{} }

// InPlace reports whether the archive is written where its reader sees every byte at
// once: into a pipe or a device. What was written there cannot be taken back, so that
// only one sink may write.
func (t *Target) InPlace() bool {
	if t.File != nil {
		return true
	}
	in, err := os.Stat(t.Path)
	return err == nil && !in.Mode().IsRegular() && !in.IsDir()
}

// Check returns the error with which the archive could not be created now. It leaves no
// file.
func (t *Target) Check(ctx context.Context, o store.SinkOptions) error {
	if t.InPlace() {
		return nil
	}
	f, err := t.create(ctx, o)
	if err != nil {
		return err
	}
	return f.Close(nil)
}

// Sink returns a sink that creates the archive when its plan is made, unless that is the
// plan of a dry run.
func (t *Target) Sink(_ context.Context, o store.SinkOptions) (transfer.Sink, error) {
	return &targetSink{t: t, o: o}, nil
}

func (t *Target) create(ctx context.Context, o store.SinkOptions) (*File, error) {
	opts := FileOptions{Compress: t.Compress, NoClobber: o.NoClobber}
	if t.File != nil {
		return NewFile(t.File, opts)
	}
	return Create(ctx, t.Path, opts)
}

// Free returns how many bytes there is room for in the folder of the archive, less a
// reserve, and whether that is known.
func (t *Target) Free(context.Context) (bytes int64, known bool) {
	if t.InPlace() {
		return 0, false
	}
	path, _, err := resolve(t.Path)
	if err != nil {
		return 0, false
	}
	return disk.Free(folderOf(path))
}

// Close has nothing to end.
func (t *Target) Close() error { return nil }

// A targetSink takes one transfer into a [Target].
type targetSink struct {
	t    *Target
	o    store.SinkOptions
	file *File // nil before the plan
}

// Plan creates the archive.
func (s *targetSink) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	if o.DryRun {
		return NewSink(io.Discard, SinkOptions{}).Plan(ctx, o)
	}
	if s.file == nil {
		file, err := s.t.create(ctx, s.o)
		if err != nil {
			return nil, s.failed(err)
		}
		s.file = file
	}
	return s.file.Plan(ctx, o)
}

// Put writes a blob.
func (s *targetSink) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	body := &transfer.ErrorReader{R: r}
	err := s.file.Put(ctx, d, body)
	if body.Err != nil {
		return body.Err
	}
	return s.failed(err)
}

// Commit ends the archive and gives the file its name.
func (s *targetSink) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	out, err := s.file.Commit(ctx, x)
	return out, s.failed(err)
}

// Close removes what did not become the archive.
func (s *targetSink) Close(err error) error {
	if s.file == nil {
		return nil
	}
	return s.file.Close(err)
}

// failed returns an error of the file as one of this host: the other side does not know its
// path.
func (s *targetSink) failed(err error) error {
	var e *transfer.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &e) && e.Kind == transfer.KindUsage:
		return &transfer.Error{Kind: transfer.KindEngine, Err: err, Hint: e.Hint}
	}
	return store.Failed("write "+s.t.Path, err)
}
