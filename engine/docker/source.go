package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// A Source gives images of an engine.
type Source struct {
	transfer.Queue
	// OnExport, if not nil, is told by which exporter an image leaves the
	// engine, "read", "push" or "save", and why. It runs on Export's goroutine.
	OnExport func(m *transfer.Image, exporter, why string)

	e     *Engine
	found map[digest.Digest]*local // by image ID
	// stored reads the images out of the content store of a containerd store; nil
	// where there is none, or, as unread says, none is served.
	stored *layout.Source
	unread error
	notes  []string

	putLayers map[digest.Digest]ocispec.Descriptor // by DiffID: those that were put after a push

	idleTime  time.Duration       // pushIdle, and
	pushFloor int64               // pushFloor, but in tests
	onUpload  func(put int) error // for tests: its error refuses an upload
}

var (
	_ transfer.Source     = (*Source)(nil)
	_ transfer.BlobLister = (*Source)(nil)
)

// NewSource finds the requested images and describes them. Nothing is exported
// yet. An image that is requested more than once, under one name or several,
// is one image with all these names.
func NewSource(ctx context.Context, e *Engine, reqs []store.Request, o store.SourceOptions) (*Source, error) {
	found, names, err := e.gather(ctx, reqs, o.Platform)
	if err != nil {
		return nil, err
	}
	s := &Source{OnExport: o.OnExport, notes: nameless(found, names), e: e, idleTime: pushIdle, pushFloor: pushFloor, found: map[digest.Digest]*local{}, putLayers: map[digest.Digest]ocispec.Descriptor{}}
	if e.keepsBlobs {
		roots := make([]digest.Digest, len(found))
		for i, l := range found {
			roots[i] = l.id
		}
		content, err := e.contentListing(ctx, roots...)
		if err == nil {
			e.sweepListed(ctx, content.list)
			return s, s.read(ctx, content, found, names)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if i := slices.IndexFunc(found, func(l *local) bool { return l.platform != nil }); i >= 0 {
			return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("cannot pick a platform of %s: %w", found[i].asked, err),
				Hint: "without --platform everything that is there is sent"}
		}
		s.unread = err
		s.notes = append(s.notes, fmt.Sprintf("the engine exports whole images, which is slow, since its layers cannot be read one by one: %v", err))
	}
	e.sweep(ctx)
	images := make([]transfer.Image, len(found))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspectors)
	for i, l := range found {
		g.Go(func() (err error) {
			images[i], err = e.describe(ctx, l)
			images[i].Refs = names[i]
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, l := range found {
		s.found[images[i].ID] = l
		if l.note != "" {
			s.notes = append(s.notes, l.note)
		}
	}
	s.Fill(images)
	return s, store.CheckLimits(images)
}

// read describes the images of a containerd store by its content.
func (s *Source) read(ctx context.Context, content *imageContent, found []*local, names [][]string) error {
	var items []layout.Item
	for i, l := range found {
		item, err := content.image(ctx, l.id, &layout.Reader{Platform: l.platform, Arch: s.e.platform.Architecture})
		if errors.Is(err, layout.ErrNoImage) && l.listed {
			s.notes = append(s.notes, store.LeftOut(l.asked))
			continue
		}
		if errors.Is(err, layout.ErrNoImage) {
			return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is %w", l.asked, err)}
		}
		if err != nil {
			return err
		}
		item.Refs = names[i]
		items = append(items, *item)
	}
	if len(items) == 0 {
		return store.NothingRuns(s.e.String())
	}
	s.stored = layout.NewSource(content, items, nil)
	s.Fill(s.stored.Images())
	return store.CheckLimits(s.stored.Images())
}

// Notes says which platforms the images list that are not there, what of a Podman
// manifest list is not sent, and which images arrive without a name, one line an image.
func (s *Source) Notes() []string {
	if s.stored != nil {
		return append(s.stored.Notes(), s.notes...)
	}
	return s.notes
}

// nameless says which images arrive without a name, but for those that have one for a
// moment only.
func nameless(found []*local, names [][]string) []string {
	var out []string
	for i, l := range found {
		here := shortNames(l.inspect.RepoTags)
		if len(names[i]) > 0 || slices.ContainsFunc(here, isTemporary) {
			continue
		}
		out = append(out, store.Nameless(l.asked, here))
	}
	return out
}

// isTemporary reports whether an image has the name for a moment only.
func isTemporary(name string) bool {
	_, ok := temporary(name)
	return ok
}

// describe says what is known of an image before it is saved. Classic stores and
// Podman save layers uncompressed, so that the DiffID is the blob's digest. A
// containerd store saves blobs as they are stored, whose digests are not known
// then: the receiver will ask for every layer.
func (e *Engine) describe(ctx context.Context, l *local) (transfer.Image, error) {
	m := transfer.Image{
		ID:       l.id,
		Platform: platformOf(l),
	}
	sizes, exact, err := e.layerSizes(ctx, l)
	if err != nil {
		return m, err
	}
	l.sized = exact
	for i, d := range l.diffIDs() {
		m.Layers = append(m.Layers, transfer.Layer{DiffID: d, Size: sizes[i]})
	}
	if e.keepsBlobs {
		m.Root = l.id
		return m, nil
	}
	m.Config = l.id
	for i := range m.Layers {
		m.Layers[i].Digest = m.Layers[i].DiffID
	}
	return m, nil
}

// layerSizes estimates the sizes of an image's layers from its history, which
// has the size of the files in each layer but does not say which steps made
// none. Podman has the exact sizes of the uncompressed layers there (seen on 4.3.1
// and 5.8.6): then exact is true.
func (e *Engine) layerSizes(ctx context.Context, l *local) (sizes []int64, exact bool, err error) {
	n := len(l.inspect.RootFS.Layers)
	sizes = make([]int64, n)
	history, err := e.api.ImageHistory(ctx, l.id.String())
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
		return known, e.exactSizes, nil
	}
	for i := range sizes {
		sizes[i] = l.inspect.Size / int64(n)
	}
	return sizes, false, nil
}

// History returns how an offered image was made.
func (s *Source) History(ctx context.Context, id digest.Digest) (layout.History, error) {
	if s.stored != nil {
		return s.stored.History(ctx, id)
	}
	l := s.found[id]
	if l == nil {
		return layout.History{}, nil
	}
	created, _ := time.Parse(time.RFC3339Nano, l.inspect.Created) // zero without one
	history, err := s.e.api.ImageHistory(ctx, l.id.String())
	if err != nil {
		return layout.History{}, failed("read the history of "+l.id.String(), err)
	}
	var made []string
	for _, h := range slices.Backward(history) {
		if h.Size > 0 {
			made = append(made, h.CreatedBy)
		}
	}
	if len(made) != len(l.diffIDs()) {
		made = nil
	}
	return layout.History{Created: created, Layers: made}, nil
}

// Blobs returns the digests of all blobs that come with an image, nil where only the offer
// says which those are.
func (s *Source) Blobs(id digest.Digest) []digest.Digest {
	if s.stored == nil {
		return nil
	}
	return s.stored.Blobs(id)
}

// Close has nothing to end: an export ends when Export returns.
func (s *Source) Close(error) error { return nil }
