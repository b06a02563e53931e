package docker

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// commitLoads ends the loads and verifies the images. It returns their IDs by the
// offered ones.
func (s *Sink) commitLoads(ctx context.Context, x *transfer.Index) (map[digest.Digest]digest.Digest, error) {
	t := s.loads
	if t.retry != "" {
		return nil, nil
	}
	if t.begun < len(t.prefixes) {
		t.retry = "a layer came under another digest than it was offered with"
		return nil, nil
	}
	if err := t.wait(ctx); err != nil {
		return nil, err
	}
	ids := map[digest.Digest]digest.Digest{}
	images := s.archived(x)
	for _, st := range t.prefixes {
		if !st.whole {
			continue
		}
		m := &s.offer.Images[st.images[0]]
		if images[st.images[0]].Config.Digest != st.id {
			return nil, otherLayers(m)
		}
		ids[m.ID] = st.id
	}
	for _, st := range t.last {
		loaded, err := s.commitLoad(ctx, st, images)
		if err != nil {
			return nil, failed("load", err)
		}
		maps.Copy(ids, loaded)
	}
	if err := s.verifyAll(ctx, ids); err != nil {
		return nil, failed("load", err)
	}
	return ids, nil
}

// commitLoad ends one of the last loads. It returns the IDs that its images have by the
// offered ones.
func (s *Sink) commitLoad(ctx context.Context, st *stage, images map[int]transfer.IndexImage) (map[digest.Digest]digest.Digest, error) {
	if st.load == nil { // every blob was here, even the config
		st.load = s.startLoad(ctx, st)
	}
	l := st.load
	var mine []transfer.IndexImage
	for _, i := range st.images {
		mine = append(mine, images[i])
	}
	entries, ids, err := s.entries(l, mine)
	if err != nil {
		return nil, l.failure(ctx, err)
	}
	fresh, err := s.fresh(ctx, ids)
	if err != nil {
		return nil, err
	}
	s.loads.fresh = append(s.loads.fresh, fresh...)
	st.load = nil // from here on it is ended here
	err = l.Finish(entries)
	if err == nil {
		err = l.pw.Close()
	}
	if err != nil {
		err = l.failure(ctx, err)
		l.abort(ctx)
	} else if err = l.answer(ctx); ctx.Err() != nil {
		// Too late to stop it: let it end, then remove the image.
		l.abort(ctx)
		err = ctx.Err()
	}
	l.cancel()
	if err != nil {
		return nil, err
	}
	s.reportLoaded(st)
	return ids, nil
}

// entries returns what the archive lists, without names, and the IDs that the
// images will have. Manifests that no blob brought are written into the load.
func (s *Sink) entries(l *load, images []transfer.IndexImage) ([]layout.Entry, map[digest.Digest]digest.Digest, error) {
	entries := make([]layout.Entry, len(images))
	ids := map[digest.Digest]digest.Digest{}
	for i := range images {
		m := &images[i]
		e := &entries[i]
		e.Config, e.Layers = m.Config.Digest, m.Layers
		var err error
		e.Root, err = layout.Root(m, func(d ocispec.Descriptor, r io.Reader) error { return l.Blob(d.Digest, d.Size, r) })
		if err != nil {
			return nil, nil, err
		}
		ids[m.ID] = m.Config.Digest
		if s.e.keepsBlobs {
			ids[m.ID] = e.Root.Digest
		}
	}
	return entries, ids, nil
}

// archived returns the images by their places in the offer, as the archive lists them.
// A containerd store gets its own blobs of layers that came without a manifest.
func (s *Sink) archived(x *transfer.Index) map[int]transfer.IndexImage {
	out := map[int]transfer.IndexImage{}
	n := 0
	for i, ip := range s.plan.Images {
		if ip.Status != transfer.Take {
			continue
		}
		m := x.Images[n]
		n++
		m = s.composed(m)
		layers := make([]ocispec.Descriptor, len(m.Layers))
		for j, d := range m.Layers {
			layers[j] = d
			if plain, ok := s.unpacked[d.Digest]; ok {
				layers[j] = plain
			}
			if ip.Have[j] && m.Root == nil {
				layers[j] = s.here(s.offer.Images[i].Layers[j].DiffID, d)
			}
		}
		m.Layers = layers
		out[i] = m
	}
	return out
}

// composed returns an image with a manifest that is composed, for Podman: in it a layer
// that is here goes by its DiffID, since under what digest it came is not known. It is
// Docker's manifest where an OCI one would lose settings.
func (s *Sink) composed(m transfer.IndexImage) transfer.IndexImage {
	if s.e.composesManifest {
		m.Root = nil
		if s.guard.Docker(m.Config.Digest) {
			m.Config.MediaType = layout.DockerConfig
		}
	}
	return m
}

// here returns what a layer that is here goes by.
func (s *Sink) here(diffID digest.Digest, offered ocispec.Descriptor) ocispec.Descriptor {
	if own, ok := s.localBlobs[diffID]; ok {
		return ocispec.Descriptor{MediaType: own.MediaType, Digest: own.Digest, Size: own.Size}
	}
	if s.e.composesManifest {
		return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: diffID, Size: offered.Size}
	}
	return offered
}

// fresh returns the images of ids that the engine does not have yet: those that
// a failed load may leave and that are to be removed then.
func (s *Sink) fresh(ctx context.Context, ids map[digest.Digest]digest.Digest) ([]digest.Digest, error) {
	var out []digest.Digest
	for _, id := range ids {
		_, err := s.e.find(ctx, id.String())
		if errdefs.IsNotFound(err) {
			out = append(out, id)
		} else if err != nil {
			return nil, failed("inspect", err)
		}
	}
	return out, nil
}

// discard removes images that a failed round left, unless they have a name by
// now: then somebody else brought them.
func (s *Sink) discard(ids []digest.Digest) {
	for _, id := range ids {
		if !s.discardOne(context.Background(), id) {
			return
		}
	}
}

// discardOne reports whether the engine answered in time.
func (s *Sink) discardOne(ctx context.Context, id digest.Digest) bool {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if l, err := s.e.find(ctx, id.String()); err == nil && len(l.inspect.RepoTags) == 0 {
		_, _ = s.e.api.ImageRemove(ctx, id.String(), image.RemoveOptions{Force: true})
	}
	return ctx.Err() == nil
}

// loaded returns the image id, which is m. Where the content store is served, the result
// has the blobs and the platforms of the image, also if the engine tells no platform.
func (s *Sink) loaded(ctx context.Context, id digest.Digest, m *transfer.Image) (*local, error) {
	if s.content != nil {
		return s.e.find(ctx, id.String())
	}
	return s.e.findPlatform(ctx, id.String(), m.Platform)
}

// verifyAll checks that every image that was taken is there, whole, and made of
// the layers that were offered.
func (s *Sink) verifyAll(ctx context.Context, ids map[digest.Digest]digest.Digest) error {
	if err := s.list(ctx, slices.Collect(maps.Values(ids))...); err != nil {
		return err
	}
	for i := range s.offer.Images {
		m := &s.offer.Images[i]
		if s.plan.Images[i].Status != transfer.Take {
			continue
		}
		l, err := s.loaded(ctx, ids[m.ID], m)
		if errdefs.IsNotFound(err) {
			return fmt.Errorf("%s: %w", m.Name(), errNotLoaded)
		}
		if err != nil {
			return err
		}
		if s.content != nil {
			if err := s.content.verify(ctx, l.id, m); err != nil {
				return err
			}
			continue
		}
		if !sameLayers(l, m) {
			return otherLayers(m)
		}
		if !s.e.complete(ctx, l) {
			return fmt.Errorf("%s: the engine has loaded it incompletely", m.Name())
		}
	}
	return nil
}
