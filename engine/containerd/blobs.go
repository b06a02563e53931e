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

// blobs are those of a listing. Whatever fails when one is read is containerd's
// fault.
type blobs struct{ *contentstore.Listing }

// Open opens a blob.
func (b *blobs) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	r, err := b.Listing.Open(ctx, d)
	if err != nil {
		return nil, unreadable(ctx, d, err)
	}
	size, _ := b.Size(d)
	return &reader{ReadCloser: r, ctx: ctx, d: d, left: size}, nil
}

// A reader reads a blob whose size is known.
type reader struct {
	io.ReadCloser
	ctx  context.Context
	d    digest.Digest
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.left -= int64(n)
	if err == io.EOF && r.left > 0 {
		err = fmt.Errorf("it ends %d bytes early", r.left)
	}
	if err != nil && err != io.EOF {
		err = unreadable(r.ctx, r.d, err)
	}
	return n, err
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
