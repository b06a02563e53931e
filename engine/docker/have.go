package docker

import (
	"context"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"golang.org/x/sync/errgroup"
)

// inspectors bounds how many images are inspected at a time.
const inspectors = 4

// locals returns all images of the engine, those without a name included.
func (e *Engine) locals(ctx context.Context) ([]*local, error) {
	list, err := e.api.ImageList(ctx, image.ListOptions{All: true})
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var out []*local
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspectors)
	for _, s := range list {
		g.Go(func() error {
			l, err := e.find(ctx, s.ID)
			if errdefs.IsNotFound(err) {
				return nil // removed meanwhile
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, l)
			return nil
		})
	}
	return out, g.Wait()
}

// An inventory is what a classic store or Podman has of layers. A classic store
// knows a layer only on top of those below it, so by its chain ID; Podman by
// itself, so by its DiffID.
type inventory struct {
	store Store
	have  map[digest.Digest]bool
}

func (e *Engine) inventory(images []*local) *inventory {
	inv := &inventory{store: e.store, have: map[digest.Digest]bool{}}
	for _, l := range images {
		for _, id := range inv.ids(l.diffIDs()) {
			inv.have[id] = true
		}
	}
	return inv
}

func (inv *inventory) ids(diffIDs []digest.Digest) []digest.Digest {
	if inv.store == Classic {
		return identity.ChainIDs(diffIDs)
	}
	return diffIDs
}

// layers says for each layer of m whether it is here.
func (inv *inventory) layers(m *transfer.Image) []bool {
	diffIDs := make([]digest.Digest, len(m.Layers))
	for i, l := range m.Layers {
		diffIDs[i] = l.DiffID
	}
	out := make([]bool, len(diffIDs))
	for i, id := range inv.ids(diffIDs) {
		out[i] = inv.have[id]
	}
	return out
}

// sameLayers reports whether an image has just the layers that m lists.
func sameLayers(l *local, m *transfer.Image) bool {
	ids := l.diffIDs()
	if len(ids) != len(m.Layers) {
		return false
	}
	for i := range ids {
		if ids[i] != m.Layers[i].DiffID {
			return false
		}
	}
	return true
}
