package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// A Source gives images of an engine.
type Source struct {
	transfer.Queue
	// OnExport, if not nil, is told by which exporter an image leaves the
	// engine, "push" or "save", and why. It runs on Export's goroutine.
	OnExport func(m *transfer.Image, exporter, why string)

	e         *Engine
	found     map[digest.Digest]*local            // by image ID, as what follows
	described map[digest.Digest]*layout.Documents // nil where nothing is known
	notes     []string

	putDocs   map[digest.Digest]bool               // manifests and indexes that were put after a push
	putLayers map[digest.Digest]ocispec.Descriptor // by DiffID: those that were pushed by one

	idleTime  time.Duration       // pushIdle, and
	pushFloor int64               // pushFloor, but in tests
	onUpload  func(put int) error // for tests: its error refuses an upload
}

var _ transfer.Source = (*Source)(nil)

// NewSource finds the requested images and describes them. Nothing is exported
// yet. An image that is requested more than once, under one name or several,
// is one image with all these names.
func NewSource(ctx context.Context, e *Engine, reqs []Request) (*Source, error) {
	found, names, err := e.gather(ctx, reqs)
	if err != nil {
		return nil, err
	}
	e.sweep(ctx)
	s := &Source{e: e, idleTime: pushIdle, pushFloor: pushFloor, found: map[digest.Digest]*local{}, described: map[digest.Digest]*layout.Documents{}}
	images := make([]transfer.Image, len(found))
	trees := make([]*layout.Documents, len(found))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspectors)
	for i, l := range found {
		g.Go(func() (err error) {
			images[i], trees[i], err = e.describe(ctx, l)
			images[i].Refs = names[i]
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, l := range found {
		if len(l.absent) > 0 {
			name := transfer.Image{ID: l.id, Refs: names[i]}
			s.notes = append(s.notes, fmt.Sprintf("%s lists %s, which is not here", name.Name(), strings.Join(l.absent, ", ")))
		}
	}
	for i, tree := range trees {
		s.found[images[i].ID], s.described[images[i].ID] = found[i], tree
	}
	s.Fill(images)
	return s, nil
}

// Notes says what of the images is listed but not there without being needed:
// other platforms, one line an image.
func (s *Source) Notes() []string { return s.notes }

// describe says what is known of an image before it is exported. Classic
// stores and Podman export layers uncompressed, so that the DiffID is the
// blob's digest; a containerd store exports blobs as they are stored, which
// only a push tells: then the manifests come back too.
func (e *Engine) describe(ctx context.Context, l *local) (transfer.Image, *layout.Documents, error) {
	m := transfer.Image{
		ID:       l.id,
		Platform: platformOf(l),
	}
	sizes, exact, err := e.layerSizes(ctx, l)
	if err != nil {
		return m, nil, err
	}
	l.sized = exact
	for i, d := range l.diffIDs() {
		m.Layers = append(m.Layers, transfer.Layer{DiffID: d, Size: sizes[i]})
	}
	if e.store != Containerd {
		m.Config = l.id
		for i := range m.Layers {
			m.Layers[i].Digest = m.Layers[i].DiffID
		}
		return m, nil, nil
	}
	m.Root = l.id
	if c, err := e.contents(ctx, l); err == nil && l.picked() == "" {
		l.absent = c.absent
	}
	tree, err := e.describePush(ctx, l)
	if err != nil {
		// Only the digests stay unknown: every layer will be sent.
		return m, nil, ctx.Err()
	}
	manifest := tree.Find(l.id, m.Platform, len(m.Layers))
	if manifest == nil {
		return m, nil, nil
	}
	m.Config = manifest.Config.Digest
	for i, d := range manifest.Layers {
		m.Layers[i].Digest, m.Layers[i].Size = d.Digest, d.Size
	}
	return m, tree, nil
}

// layerSizes estimates the sizes of an image's layers from its history, which
// has the size of the files in each layer but does not say which steps made
// none. Podman has the exact sizes of the uncompressed layers there (seen on 4.3.1
// and 5.8.6): then exact is true.
func (e *Engine) layerSizes(ctx context.Context, l *local) (sizes []int64, exact bool, err error) {
	n := len(l.inspect.RootFS.Layers)
	sizes = make([]int64, n)
	var opts []client.ImageHistoryOption
	if l.picked() != "" {
		opts = append(opts, client.ImageHistoryWithPlatform(*l.platform))
	}
	history, err := e.api.ImageHistory(ctx, l.target.String(), opts...)
	if err != nil {
		return nil, false, failed("read the history of "+l.id.String(), err)
	}
	var known []int64
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].Size > 0 {
			known = append(known, history[i].Size)
		}
	}
	if len(known) == n {
		return known, e.store == Podman, nil
	}
	for i := range sizes {
		sizes[i] = l.inspect.Size / int64(n)
	}
	return sizes, false, nil
}

// Close has nothing to end: an export ends when Export returns.
func (s *Source) Close(error) error { return nil }
