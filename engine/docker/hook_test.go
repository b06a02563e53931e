package docker_test

import (
	"context"
	"io"
	"testing/iotest"

	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// hooked is a sink that calls functions at certain points of a round.
type hooked struct {
	transfer.Sink
	planned   func()
	halfway   func() // inside the first blob of more than a megabyte, after its first bytes
	committed func()
}

func (h *hooked) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	p, err := h.Sink.Plan(ctx, o)
	if h.planned != nil && err == nil {
		h.planned()
		h.planned = nil
	}
	return p, err
}

func (h *hooked) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if h.halfway != nil && d.Size > 1<<20 {
		r = &halfway{r: r, left: 256 << 10, f: h.halfway}
		h.halfway = nil
	}
	return h.Sink.Put(ctx, d, r)
}

func (h *hooked) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	if h.committed != nil {
		h.committed()
	}
	return h.Sink.Commit(ctx, x)
}

// halfway calls f once so many bytes were read.
type halfway struct {
	r    io.Reader
	left int
	f    func()
}

func (h *halfway) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if h.left -= n; h.left <= 0 && h.f != nil {
		h.f()
		h.f = nil
	}
	return n, err
}

// failing is a sink whose blobs turn out to be bad after some bytes.
type failing struct {
	transfer.Sink
	err error
}

func (f *failing) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if d.Size <= 1<<20 {
		return f.Sink.Put(ctx, d, r)
	}
	return f.Sink.Put(ctx, d, io.MultiReader(io.LimitReader(r, 300_000), iotest.ErrReader(f.err)))
}
