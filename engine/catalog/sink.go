package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Sink writes images into a store.
type Sink struct {
	// NoClobber refuses names that another image has here.
	NoClobber bool

	store Store
	offer *transfer.Offer
	plan  *transfer.Plan
	guard *layout.Guard
	roots map[digest.Digest]ocispec.Descriptor // by offered ID
	// localBlobs maps a DiffID to the blob that the store has for that layer, for
	// images whose manifest is composed here. Empty unless the store is a [LayerFinder].
	localBlobs map[digest.Digest]ocispec.Descriptor
}

var _ transfer.Sink = (*Sink)(nil)

// NewSink returns a sink into the store, which the caller closes after the sink.
func NewSink(store Store) *Sink { return &Sink{store: store} }

// planTries limits how often Plan starts again because a blob has vanished before the
// store was told to keep it.
const planTries = 3

// Plan finds which images and layers the store has, and makes the store keep them.
func (s *Sink) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	for range planTries {
		here, err := s.look(ctx, o)
		if err != nil {
			return nil, err
		}
		keeper, ok := s.store.(Keeper)
		if !ok || o.DryRun {
			return s.plan, nil
		}
		if kept, err := keeper.Keep(ctx, o, here); kept || err != nil {
			return s.plan, err
		}
	}
	return nil, store.Failed("make a plan", fmt.Errorf("images keep vanishing from %s", s.store))
}

// look makes the plan, and returns the images and layers that it reports as present.
func (s *Sink) look(ctx context.Context, o *transfer.Offer) ([]Here, error) {
	now, err := s.store.List(ctx)
	if err != nil {
		return nil, store.Failed("read "+s.store.String(), err)
	}
	s.offer, s.roots, s.guard = o, map[digest.Digest]ocispec.Descriptor{}, layout.NewGuard(o)
	s.plan = &transfer.Plan{Images: make([]transfer.ImagePlan, len(o.Images)), KnowsSizes: true}
	if s.localBlobs, err = s.findLayers(ctx, o); err != nil {
		return nil, store.Failed("read "+s.store.String(), err)
	}
	here := make([]Here, len(o.Images))
	for i := range o.Images {
		m := &o.Images[i]
		for _, ref := range m.Refs {
			if _, err := layout.ShortName(ref); err != nil {
				return nil, &transfer.Error{Kind: transfer.KindRefused, Err: err}
			}
		}
		if !o.Full {
			if root, ok := s.whole(ctx, now, m); ok {
				s.roots[m.ID], here[i].Root = root, root
				s.plan.Images[i].Status = transfer.Whole
			}
		}
		if err := s.clobber(now, m, here[i].Root.Digest); err != nil {
			return nil, err
		}
		if s.plan.Images[i].Status == transfer.Whole {
			continue
		}
		have := make([]bool, len(m.Layers))
		here[i].Layers = make([]ocispec.Descriptor, len(m.Layers))
		for j, l := range m.Layers {
			if have[j] = !o.Full && s.has(m, l); have[j] {
				here[i].Layers[j] = s.here(m, j, ocispec.Descriptor{Digest: l.Digest})
			}
		}
		s.plan.Images[i] = transfer.ImagePlan{Status: transfer.Take, Have: have}
	}
	return here, nil
}

// findLayers looks for the blobs of the layers of images that come without a
// manifest.
func (s *Sink) findLayers(ctx context.Context, o *transfer.Offer) (map[digest.Digest]ocispec.Descriptor, error) {
	finder, ok := s.store.(LayerFinder)
	if !ok || o.Full {
		return nil, nil
	}
	var wanted []digest.Digest
	for i := range o.Images {
		if o.Images[i].Root != "" {
			continue
		}
		for _, l := range o.Images[i].Layers {
			wanted = append(wanted, l.DiffID)
		}
	}
	return finder.Layers(ctx, wanted)
}

// has reports whether the store has a layer of m. An image with a manifest of
// its own needs just the blobs which that lists.
func (s *Sink) has(m *transfer.Image, l transfer.Layer) bool {
	if m.Root == "" {
		if _, ok := s.localBlobs[l.DiffID]; ok {
			return true
		}
	}
	_, here := s.store.Size(l.Digest)
	if here && m.Root == "" {
		s.plan.KnowsSizes = false // it goes into a manifest as the index describes it
	}
	return here
}

// here returns the blob of layer j of m, which is here: the one that was offered, or
// in a manifest that is composed here another one of the same layer.
func (s *Sink) here(m *transfer.Image, j int, offered ocispec.Descriptor) ocispec.Descriptor {
	if d, ok := s.localBlobs[m.Layers[j].DiffID]; ok && m.Root == "" {
		return d
	}
	return offered
}

// whole finds an image that is here with everything: under its own root, or
// with its config where it came without one.
func (s *Sink) whole(ctx context.Context, now []Entry, m *transfer.Image) (ocispec.Descriptor, bool) {
	if m.Config != "" {
		if _, here := s.store.Size(m.Config); !here {
			return ocispec.Descriptor{}, false
		}
	}
	seen := map[digest.Digest]bool{}
	for _, e := range now {
		if m.Root != "" && e.Root.Digest != m.Root || seen[e.Root.Digest] {
			continue
		}
		seen[e.Root.Digest] = true
		one := alone(e.Root)
		items, err := (&layout.Reader{Blobs: s.store, Arch: m.Platform.Architecture}).Read(ctx, one)
		if err != nil || len(items) != 1 {
			continue
		}
		if items[0].Config == m.Config && slices.Equal(items[0].DiffIDs(), m.DiffIDs()) {
			return one.Manifests[0], true
		}
	}
	return ocispec.Descriptor{}, false
}

func (s *Sink) clobber(now []Entry, m *transfer.Image, root digest.Digest) error {
	if !s.NoClobber {
		return nil
	}
	for _, ref := range m.Refs {
		if old := named(now, ref); old != "" && old != root && old != m.Root {
			return store.Clobbers(ref, old.Encoded()[:12])
		}
	}
	return nil
}

// Put writes a blob, unless it is here.
func (s *Sink) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	r, err := s.guard.Put(d, r)
	if err != nil {
		return err
	}
	return s.store.Put(ctx, d, r)
}

// Commit names the images when all their blobs are here and they
// are those that were offered.
func (s *Sink) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	if err := s.guard.Check(x); err != nil {
		return nil, err
	}
	n := 0
	for i := range s.offer.Images {
		m := &s.offer.Images[i]
		if s.plan.Images[i].Status != transfer.Take {
			continue
		}
		im := s.local(m, &x.Images[n], s.plan.Images[i].Have)
		n++
		if gone := s.vanished(m, im, s.plan.Images[i].Have); gone != "" {
			return &transfer.Outcome{Retry: gone}, nil
		}
		root, err := s.root(ctx, im)
		if err != nil {
			return nil, err
		}
		if err := s.verify(ctx, m, im); err != nil {
			return nil, err
		}
		s.roots[m.ID] = root
	}
	if finisher, ok := s.store.(Finisher); ok {
		for i := range s.offer.Images {
			m := &s.offer.Images[i]
			if err := finisher.Finish(ctx, m, s.roots[m.ID]); err != nil {
				return nil, err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.list(ctx)
}

// local returns im with the blobs that the store uses for its layers.
func (s *Sink) local(m *transfer.Image, im *transfer.IndexImage, have []bool) *transfer.IndexImage {
	if im.Root != nil {
		return im
	}
	out := *im
	out.Layers = slices.Clone(im.Layers)
	for j, d := range out.Layers {
		if have[j] {
			out.Layers[j] = s.here(m, j, d)
		}
	}
	return &out
}

// vanished says which layer was here when the plan was made and is gone.
func (s *Sink) vanished(m *transfer.Image, im *transfer.IndexImage, have []bool) string {
	for j, l := range im.Layers {
		if _, here := s.store.Size(l.Digest); !here && have[j] {
			return fmt.Sprintf("layer %d of %s was here and is gone", j+1, m.Name())
		}
	}
	return ""
}

func (s *Sink) root(ctx context.Context, im *transfer.IndexImage) (ocispec.Descriptor, error) {
	return layout.Root(im, func(d ocispec.Descriptor, r io.Reader) error { return s.Put(ctx, d, r) })
}

// verify checks that all blobs are here and that the config is that of the
// offered layers.
func (s *Sink) verify(ctx context.Context, m *transfer.Image, im *transfer.IndexImage) error {
	for _, d := range append([]ocispec.Descriptor{im.Config}, im.Layers...) {
		if _, here := s.store.Size(d.Digest); !here {
			return transfer.Broken("%s arrived without its blob %s", m.Name(), d.Digest)
		}
	}
	f, err := s.store.Open(ctx, im.Config.Digest)
	if err != nil {
		return store.Failed("read "+s.store.String(), err)
	}
	defer f.Close()
	var config layout.Config
	if err := json.NewDecoder(io.LimitReader(f, layout.MaxDocument)).Decode(&config); err != nil {
		return transfer.Broken("config of %s: %w", m.Name(), err)
	}
	same := len(config.RootFS.DiffIDs) == len(m.Layers)
	for i := 0; same && i < len(m.Layers); i++ {
		same = config.RootFS.DiffIDs[i] == m.Layers[i].DiffID
	}
	if !same {
		return transfer.Broken("%s arrived with other layers than were offered", m.Name())
	}
	return nil
}

// list adds the images, with their names, to the list of the store.
func (s *Sink) list(ctx context.Context) (*transfer.Outcome, error) {
	out := &transfer.Outcome{}
	err := s.store.Update(ctx, func(now []Entry) ([]Entry, error) {
		var list []Entry
		out.Images = nil
		for i := range s.offer.Images {
			m := &s.offer.Images[i]
			root, ok := s.roots[m.ID]
			if !ok {
				continue
			}
			a := transfer.Arrival{ID: m.ID, New: root.Digest}
			for _, ref := range m.Refs {
				old := named(now, ref)
				if old != "" && old != root.Digest && s.NoClobber {
					return nil, store.Clobbers(ref, old.Encoded()[:12])
				}
				name := transfer.Name{Ref: ref}
				if old != root.Digest {
					name.Replaced = old
				}
				a.Names = append(a.Names, name)
				short, err := layout.ShortName(ref)
				if err != nil {
					return nil, &transfer.Error{Kind: transfer.KindRefused, Err: err}
				}
				e := Entry{Name: short, Root: root}
				list = append(list, e)
				now = append([]Entry{e}, now...) // as the next image of the offer finds it
			}
			if len(m.Refs) == 0 {
				list = append(list, Entry{Root: root})
			}
			out.Images = append(out.Images, a)
		}
		return list, nil
	})
	if err != nil {
		return nil, store.Failed("write "+s.store.String(), err)
	}
	return out, nil
}

// Close has nothing to end.
func (s *Sink) Close(error) error { return nil }
