package transfer

import (
	"context"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An ErrorWriter passes blobs on to W and keeps the first error with which W
// fails, for a [Source] that has to tell what ends the copy from a failure that
// its engine may recover from. A blob that breaks while W reads it ends the copy,
// too: W has a part of it. Nothing is put after that.
type ErrorWriter struct {
	W   BlobWriter
	Err error // what Put failed with first
}

// Put passes a blob on.
func (e *ErrorWriter) Put(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	if e.Err == nil {
		e.Err = e.W.Put(ctx, desc, r)
	}
	return e.Err
}
