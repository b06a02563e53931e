package folder

import (
	"context"
	"path/filepath"

	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/internal/disk"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Folder is an OCI image layout as a store of images.
type Folder struct{ dir string }

var (
	_ store.Store = (*Folder)(nil)
	_ store.Namer = (*Folder)(nil)
)

// New returns the store in the folder dir, which need not exist.
func New(dir string) *Folder { return &Folder{dir} }

func (f *Folder) String() string { return "an OCI layout folder" }

// Where describes the folder by its path.
func (f *Folder) Where() string { return "the OCI layout " + f.dir }

// Platform is none: nothing runs in a folder.
func (f *Folder) Platform() ocispec.Platform { return ocispec.Platform{} }

// Names returns the names of the images in the folder.
func (f *Folder) Names(context.Context) ([]string, error) {
	index, err := readIndex(f.dir)
	if err != nil {
		return nil, store.Failed("read "+f.dir, err)
	}
	return catalog.Listed(entries(index)), nil
}

// Source finds the requested images and describes them; see [NewSource].
func (f *Folder) Source(ctx context.Context, reqs []store.Request, o store.SourceOptions) (store.Source, error) {
	s, err := NewSource(ctx, f.dir, reqs, o.Platform)
	if err != nil {
		return nil, err // and not a nil *layout.Source
	}
	return s, nil
}

// Sink returns a sink into the folder; see [NewSink].
func (f *Folder) Sink(_ context.Context, o store.SinkOptions) (transfer.Sink, error) {
	s, err := NewSink(f.dir)
	if err != nil {
		return nil, err
	}
	s.NoClobber = o.NoClobber
	return s, nil
}

// Free returns how many bytes of images there is room for in the folder, less a
// reserve, and whether that is known. The folder need not exist yet.
func (f *Folder) Free(context.Context) (bytes int64, known bool) {
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return 0, false
	}
	for {
		if bytes, known = disk.Free(dir); known || dir == filepath.Dir(dir) {
			return bytes, known
		}
		dir = filepath.Dir(dir)
	}
}

// Close has nothing to end.
func (f *Folder) Close() error { return nil }
