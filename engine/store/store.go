package store

import (
	"context"
	"fmt"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Target takes images: a store, or an archive.
type Target interface {
	// String describes the target to the other side: "Docker 28.5.2, containerd store".
	fmt.Stringer
	// Where describes it to its own user, with its address and where that comes from.
	Where() string
	// Platform is the platform of containers there; it has no OS where none run.
	Platform() ocispec.Platform
	// Sink returns what one transfer is copied to. The caller closes it, which
	// transfer.Copy does.
	Sink(ctx context.Context, o SinkOptions) (transfer.Sink, error)
	// Free returns the space for images in bytes, less a reserve, and whether it is
	// known.
	Free(ctx context.Context) (bytes int64, known bool)
	Close() error
}

// A Store keeps images: an engine, or a folder.
type Store interface {
	Target
	// Source finds the requested images and describes them. The caller closes the
	// source, which transfer.Copy does.
	Source(ctx context.Context, reqs []Request, o SourceOptions) (Source, error)
}

// A Namer is a store that can tell quickly which images it has.
type Namer interface {
	// Names returns the names of the images, in their short form.
	Names(ctx context.Context) ([]string, error)
}

// A Lister is a store that can list what it has.
type Lister interface {
	// HaveList lists the layers that are there. host is the name of the host in the list.
	HaveList(ctx context.Context, host string) (*HaveList, error)
}

// A Cleaner is a store that may keep layers of failed transfers for the next try.
type Cleaner interface {
	// Clean removes those that no process of this host uses any more, and
	// returns the IDs of what it removed.
	Clean(ctx context.Context) ([]digest.Digest, error)
}

// A Source gives images of a store.
type Source interface {
	transfer.Source
	// Notes returns one line for each thing that the user may expect and that is not
	// sent, such as a platform that an image lists and that is not there.
	Notes() []string
}

// A Historian is a [Source] that can tell how its images were made.
type Historian interface {
	// History returns how an offered image was made.
	History(ctx context.Context, id digest.Digest) (layout.History, error)
}

// SourceOptions say which parts of images to give.
type SourceOptions struct {
	// Platform picks one of an image with several; nil: all that are there.
	Platform *ocispec.Platform
	// OnExport, if not nil, is told how an image leaves the store, "read", "push" or
	// "save", and why. It runs on the goroutine of the source's Export.
	OnExport func(m *transfer.Image, exporter, why string)
}

// SinkOptions say what a sink may do.
type SinkOptions struct {
	// NoClobber refuses names that another image has there, and an archive that
	// would replace a file.
	NoClobber bool
}

// Failed returns err as an error of [transfer.KindEngine] at op. It returns an error of
// another known kind, such as that of a cancelled context, unchanged.
func Failed(op string, err error) error {
	if transfer.KindOf(err) != transfer.KindOther {
		return err
	}
	return &transfer.Error{Kind: transfer.KindEngine, Op: op, Err: err}
}
