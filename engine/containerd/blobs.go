package containerd

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/imgsend/imgsend/engine/contentstore"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// blobs are the blobs of a listing. Read errors are of [transfer.KindEngine].
type blobs struct{ *contentstore.Listing }

// Open opens a blob.
func (b *blobs) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	size, _ := b.Size(d)
	return b.OpenBlob(ctx, d, size, unreadable)
}

// unreadable is the error for a blob that is listed and cannot be read.
func unreadable(ctx context.Context, d digest.Digest, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errdefs.IsNotFound(err) {
		return &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("the blob %s has vanished from containerd", d),
			Hint: "was the image removed meanwhile? pull, load or build it again"}
	}
	return failed("read the blob "+d.String(), err)
}
