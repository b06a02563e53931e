package catalog_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

// A bare source gives images without a manifest, as a classic store has them.
type bare struct {
	transfer.Queue
	inner *archive.Source
}

func newBare(t *testing.T, images ...throwaway.Image) *bare {
	t.Helper()
	var tar bytes.Buffer
	if err := throwaway.WriteDockerArchive(&tar, images...); err != nil {
		t.Fatal(err)
	}
	src, err := archive.Open(t.Context(), &tar, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bare{inner: src}
	list := src.Images()
	for i := range list {
		list[i].Root = ""
	}
	b.Fill(list)
	return b
}

func (b *bare) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	x, err := b.inner.Export(ctx, o, p, w)
	if err == nil {
		for i := range x.Images {
			x.Images[i].Root = nil
		}
	}
	return x, err
}

func (b *bare) Close(err error) error { return b.inner.Close(err) }
