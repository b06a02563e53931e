package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
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

// key returns what the engine knows layers by.
func (e *Engine) key() store.Key {
	switch e.store {
	case Podman:
		return store.ByDiffID
	case Containerd:
		return store.ByBlob
	}
	return store.ByChain
}

// HaveList lists what the engine has. Of a containerd store these are the blobs
// that its images reach.
func (e *Engine) HaveList(ctx context.Context, host string) (*store.HaveList, error) {
	have, err := e.haveLayers(ctx)
	if err != nil {
		return nil, failed("list what is there", err)
	}
	return store.NewHaveList(host, e.String(), e.key(), have), nil
}

func (e *Engine) haveLayers(ctx context.Context) ([]digest.Digest, error) {
	if e.store == Containerd {
		content, err := e.contentListing(ctx)
		if err != nil && ctx.Err() == nil {
			return nil, &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("%s cannot tell which layers it has: %w", e, err),
				Hint: "use its own socket instead of a proxy, or make a complete archive"}
		}
		if err != nil {
			return nil, err
		}
		return content.Digests(), nil
	}
	images, err := e.locals(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Keys(e.inventory(images))), nil
}

// inventory returns what the layers of the images are known by.
func (e *Engine) inventory(images []*local) map[digest.Digest]bool {
	have := map[digest.Digest]bool{}
	for _, l := range images {
		m := transfer.Image{}
		for _, d := range l.diffIDs() {
			m.Layers = append(m.Layers, transfer.Layer{DiffID: d})
		}
		for _, id := range e.key().Of(&m) {
			have[id] = true
		}
	}
	return have
}

// sameLayers reports whether an image has just the layers that m lists.
func sameLayers(l *local, m *transfer.Image) bool {
	return slices.EqualFunc(l.diffIDs(), m.Layers, func(d digest.Digest, l transfer.Layer) bool { return d == l.DiffID })
}
