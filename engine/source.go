package engine

import (
	"context"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Source gives images of an engine.
type Source struct {
	transfer.Queue
	e         *Engine
	described map[digest.Digest]*manifests // by image ID, containerd store only
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
	s := &Source{e: e, described: map[digest.Digest]*manifests{}}
	images := make([]transfer.Image, len(found))
	for i, l := range found {
		if images[i], err = s.describe(ctx, l); err != nil {
			return nil, err
		}
		images[i].Refs = names[i]
	}
	s.Fill(images)
	return s, nil
}

// describe says what is known of an image before it is exported. Classic
// stores and Podman export layers uncompressed, so that the DiffID is the
// blob's digest; a containerd store exports blobs as they are stored, which
// only a push tells.
func (s *Source) describe(ctx context.Context, l *local) (transfer.Image, error) {
	m := transfer.Image{
		ID:       l.id,
		Platform: ocispec.Platform{OS: l.inspect.Os, Architecture: l.inspect.Architecture, Variant: l.inspect.Variant},
	}
	sizes, err := s.e.layerSizes(ctx, l)
	if err != nil {
		return m, err
	}
	for i, d := range l.diffIDs() {
		m.Layers = append(m.Layers, transfer.Layer{DiffID: d, Size: sizes[i]})
	}
	if s.e.store != Containerd {
		m.Config = l.id
		for i := range m.Layers {
			m.Layers[i].Digest = m.Layers[i].DiffID
		}
		return m, nil
	}
	m.Root = l.id
	tree, err := s.e.describePush(ctx, l)
	if err != nil {
		// Only the digests stay unknown: every layer will be sent.
		return m, ctx.Err()
	}
	if manifest := tree.find(l.id, m.Platform, len(m.Layers)); manifest != nil {
		s.described[l.id] = tree
		m.Config = manifest.Config.Digest
		for i, d := range manifest.Layers {
			m.Layers[i].Digest, m.Layers[i].Size = d.Digest, d.Size
		}
	}
	return m, nil
}

// layerSizes estimates the sizes of an image's layers from its history, which
// has the size of the files in each layer but does not say which steps made
// none.
func (e *Engine) layerSizes(ctx context.Context, l *local) ([]int64, error) {
	n := len(l.inspect.RootFS.Layers)
	sizes := make([]int64, n)
	history, err := e.api.ImageHistory(ctx, l.id.String())
	if err != nil {
		return nil, failed("read the history of "+l.id.String(), err)
	}
	var known []int64
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].Size > 0 {
			known = append(known, history[i].Size)
		}
	}
	if len(known) == n {
		return known, nil
	}
	for i := range sizes {
		sizes[i] = l.inspect.Size / int64(n)
	}
	return sizes, nil
}

// Close has nothing to end: an export ends when Export returns.
func (s *Source) Close(error) error { return nil }
