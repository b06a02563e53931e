package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
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

// HaveList lists what the engine has. Of a containerd store these are the blobs
// that its images reach.
func (e *Engine) HaveList(ctx context.Context, host string) (*store.HaveList, error) {
	have, err := e.haveLayers(ctx)
	if err != nil {
		return nil, failed("list what is there", err)
	}
	return store.NewHaveList(host, e.String(), e.key, have), nil
}

func (e *Engine) haveLayers(ctx context.Context) ([]digest.Digest, error) {
	if e.keepsBlobs {
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
		for _, id := range e.key.Of(&m) {
			have[id] = true
		}
	}
	return have
}

// sameLayers reports whether an image has just the layers that m lists.
func sameLayers(l *local, m *transfer.Image) bool {
	return slices.Equal(l.diffIDs(), m.DiffIDs())
}

// findWhole returns the ID of the image here that is m, or "".
func (s *Sink) findWhole(ctx context.Context, m *transfer.Image) (digest.Digest, error) {
	if s.content != nil {
		id := s.content.find(ctx, m)
		if id != "" && len(m.Layers) > 0 && !s.e.unpacked(ctx, id) {
			id = "" // another load unpacks it
		}
		return id, ctx.Err()
	}
	want := m.Config
	if s.e.keepsBlobs {
		want = m.Root
	}
	if want == "" {
		return "", nil
	}
	l, err := s.e.findPlatform(ctx, want.String(), m.Platform)
	switch {
	case errdefs.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", err
	case l.id == want && sameLayers(l, m) && s.e.complete(ctx, l):
		return l.id, nil
	}
	return "", nil
}

// unpacked reports whether a containerd store has unpacked what an image has for its
// own platform, as far as the engine tells. An engine that was interrupted while it loaded
// an image keeps it without. It has not compared the layers with their DiffIDs then.
func (e *Engine) unpacked(ctx context.Context, id digest.Digest) bool {
	if versions.LessThan(e.version, manifestsAPI) {
		return true
	}
	in, err := e.api.ImageInspect(ctx, id.String(), client.ImageInspectWithManifests(true))
	if err != nil {
		return true // whether there is such an image is for others to find
	}
	own := platforms.OnlyStrict(e.platform)
	return !slices.ContainsFunc(in.Manifests, func(m image.ManifestSummary) bool {
		return m.ImageData != nil && m.Available && own.Match(m.ImageData.Platform) && m.ImageData.Size.Unpacked == 0
	})
}

// manifestsAPI is the first API version whose inspect tells which manifests of
// an image are complete and unpacked.
const manifestsAPI = "1.48"

// complete reports whether an image in a containerd store that does not serve its
// content has all its blobs, as far as the engine tells. Other stores have no
// incomplete images.
func (e *Engine) complete(ctx context.Context, l *local) bool {
	if !e.keepsBlobs || versions.LessThan(e.version, manifestsAPI) {
		return true
	}
	in, err := e.api.ImageInspect(ctx, l.id.String(), client.ImageInspectWithManifests(true))
	if err != nil {
		return false
	}
	for _, m := range in.Manifests {
		if m.ImageData != nil && m.ImageData.Platform.OS == l.inspect.Os &&
			m.ImageData.Platform.Architecture == l.inspect.Architecture && m.ImageData.Platform.Variant == l.inspect.Variant {
			return m.Available
		}
	}
	return true
}

// A presence says which layers of some images an engine has.
type presence struct {
	have [][]bool // by image and layer; nil for an image of which nothing is known
	// localBlobs maps a DiffID to the blob that the engine stores for that layer.
	// The sink lists it when it composes a manifest. A containerd store's blob
	// mostly has another digest than the one that is offered; Podman's is the
	// uncompressed layer, if its size is known.
	localBlobs map[digest.Digest]ocispec.Descriptor
}

// layers looks for the layers of the images. content is what a containerd store
// consists of, nil if that is not known.
func (e *Engine) layers(ctx context.Context, content *imageContent, images []*transfer.Image) (*presence, error) {
	if e.keepsBlobs {
		return content.layers(ctx, images)
	}
	p := &presence{have: make([][]bool, len(images))}
	all, err := e.locals(ctx)
	if err != nil && e.manifestLists && ctx.Err() == nil && !client.IsErrConnectionFailed(err) {
		// One image that is damaged, such as a manifest list that lost its image, and
		// Podman lists none (seen on 4.3.1). It still loads: what it has is not known.
		all, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	inv, here := e.inventory(all), map[digest.Digest]bool{}
	for i, m := range images {
		p.have[i] = make([]bool, len(m.Layers))
		for j, id := range e.key.Of(m) {
			if inv[id] {
				p.have[i][j], here[m.Layers[j].DiffID] = true, true
			}
		}
	}
	if e.exactSizes {
		p.localBlobs, err = e.podmanLayers(ctx, all, here)
	}
	return p, err
}

// layers looks for the blobs of the images' layers. An image that brings its
// own manifest needs just the blobs which that lists. The manifest of any other is
// composed here, of the blobs that are here.
func (c *imageContent) layers(ctx context.Context, images []*transfer.Image) (*presence, error) {
	p := &presence{have: make([][]bool, len(images))}
	if c == nil {
		return p, nil
	}
	var composed []digest.Digest // layers of images without a manifest
	for _, m := range images {
		for _, l := range m.Layers {
			if m.Root == "" {
				composed = append(composed, l.DiffID)
			}
		}
	}
	var err error
	if p.localBlobs, err = c.Layers(ctx, composed); err != nil {
		return nil, err
	}
	for i, m := range images {
		p.have[i] = make([]bool, len(m.Layers))
		for j, l := range m.Layers {
			_, p.have[i][j] = c.Size(l.Digest)
			if _, ok := p.localBlobs[l.DiffID]; ok && m.Root == "" {
				p.have[i][j] = true
			}
		}
	}
	return p, nil
}

// podmanLayers returns the uncompressed layers that are wanted, by DiffID, as far
// as Podman tells their sizes. It removes them from wanted.
func (e *Engine) podmanLayers(ctx context.Context, all []*local, wanted map[digest.Digest]bool) (map[digest.Digest]ocispec.Descriptor, error) {
	out := map[digest.Digest]ocispec.Descriptor{}
	shared := func(l *local) (n int) {
		for _, d := range l.diffIDs() {
			if wanted[d] {
				n++
			}
		}
		return n
	}
	counts := make(map[*local]int, len(all))
	for _, l := range all {
		counts[l] = shared(l)
	}
	// First those that share most: each is one more question.
	all = slices.SortedStableFunc(slices.Values(all), func(a, b *local) int { return counts[b] - counts[a] })
	for _, l := range all {
		if shared(l) == 0 {
			continue
		}
		sizes, exact, err := e.layerSizes(ctx, l)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil || !exact {
			continue
		}
		for i, d := range l.diffIDs() {
			if wanted[d] {
				out[d] = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: d, Size: sizes[i]}
				delete(wanted, d)
			}
		}
	}
	return out, nil
}
