package conformance_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// A counted source counts how often it is exported.
type counted struct {
	transfer.Source
	exports int
}

func (c *counted) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	c.exports++
	return c.Source.Export(ctx, o, p, w)
}

func (c *counted) Blobs(id digest.Digest) []digest.Digest {
	if l, ok := c.Source.(transfer.BlobLister); ok {
		return l.Blobs(id)
	}
	return nil
}

// TestHub takes images out of every end into three folders at once, of which one has nothing,
// one a whole image and one a layer: each has them all in the end, and the end is exported once.
func TestHub(t *testing.T) {
	all := pictures(t)
	base, one := all[0], all[1]
	two := picture{ref: "layers:other", layers: []layer{base.layers[0], all[2].layers[5], all[2].layers[6]}}
	made := writeArchive(t, base, one, two)
	for _, e := range ends(t) {
		t.Run(e.name, func(t *testing.T) {
			if _, err := transfer.Copy(t.Context(), made.source(t, one.ref, two.ref), e.sink(t), transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			src := &counted{Source: e.source(t, one.ref, two.ref)}
			hub := transfer.NewHub(t.Context(), src, transfer.HubOptions{})
			var taps []*transfer.Tap
			var folders []folderEnd
			for _, has := range []string{"", one.ref, base.ref} {
				to := folderEnd(filepath.Join(t.TempDir(), "store"))
				if has != "" {
					from := end(made)
					if has == one.ref {
						from = e // the same image, as this end has it
					}
					if _, err := transfer.Copy(t.Context(), from.source(t, has), to.sink(t), transfer.Options{}); err != nil {
						t.Fatal(err)
					}
				}
				folders = append(folders, to)
				taps = append(taps, hub.Tap(func(why string) { t.Errorf("one goes on alone: %s", why) }))
			}
			var wg sync.WaitGroup
			for i, to := range folders {
				dst := to.sink(t)
				wg.Go(func() {
					if _, err := transfer.Copy(t.Context(), taps[i], dst, transfer.Options{}); err != nil {
						t.Errorf("copy %d: %v", i, err)
					}
				})
			}
			wg.Wait()
			if err := hub.Close(); err != nil || src.exports != 1 {
				t.Errorf("exported %d times, %v", src.exports, err)
			}
			for _, to := range folders {
				check(t, to, one, two)
			}
		})
	}
}
