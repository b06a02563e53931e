package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Sink takes images into an engine: blobs go straight into one load, without
// a name; what was loaded is verified, and only then named.
type Sink struct {
	// NoClobber refuses names that stand for another image here.
	NoClobber bool

	e *Engine

	offer *transfer.Offer
	plan  *transfer.Plan
	whole map[digest.Digest]digest.Digest      // offered ID → ID here
	own   map[digest.Digest]ocispec.Descriptor // by DiffID, see [presence]
	probe *probe
	load  *load
}

var _ transfer.Sink = (*Sink)(nil)

// NewSink returns a sink into e. It removes what a killed run may have left.
func NewSink(ctx context.Context, e *Engine) *Sink {
	if e.store == Containerd {
		e.sweep(ctx)
	}
	return &Sink{e: e}
}

// Plan looks which images and layers the engine has.
func (s *Sink) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	s.probe.remove(ctx)
	s.offer, s.whole = o, map[digest.Digest]digest.Digest{}
	s.plan = &transfer.Plan{Images: make([]transfer.ImagePlan, len(o.Images))}
	var take, later []int // places in the offer
	for i := range o.Images {
		m := &o.Images[i]
		for _, ref := range m.Refs {
			if _, err := ParseName(ref); err != nil {
				return nil, &transfer.Error{Kind: transfer.KindRefused, Err: err}
			}
		}
		id, err := s.findWhole(ctx, m)
		if err != nil {
			return nil, failed("look for "+m.Name(), err)
		}
		if err := s.checkNames(ctx, m, id); err != nil {
			return nil, err
		}
		switch {
		case id != "":
			s.whole[m.ID] = id
			s.plan.Images[i].Status = transfer.Whole
		case s.e.store == Podman && len(take) > 0:
			// Podman loads one image from an OCI archive.
			s.plan.Images[i].Status = transfer.Later
			later = append(later, i)
		default:
			s.plan.Images[i].Status = transfer.Take
			take = append(take, i)
		}
	}
	if err := s.planLayers(ctx, append(take, later...)); err != nil {
		return nil, err
	}
	return s.plan, nil
}

// planLayers completes the plan of the images with these places in the offer
// by the layers that are here.
func (s *Sink) planLayers(ctx context.Context, places []int) error {
	images := make([]*transfer.Image, len(places))
	for n, i := range places {
		images[n] = &s.offer.Images[i]
	}
	have := make([][]bool, len(images))
	s.own = nil
	if !s.offer.Full && len(images) > 0 {
		found, err := s.e.layers(ctx, images)
		if err != nil {
			return failed("look for layers", err)
		}
		have, s.own, s.probe = found.have, found.own, found.probe
	}
	for n, i := range places {
		ip := &s.plan.Images[i]
		ip.Have = have[n]
		if ip.Status == transfer.Take && ip.Have == nil {
			ip.Have = make([]bool, len(images[n].Layers))
		}
	}
	s.plan.KnowsSizes = s.knowsSizes()
	return nil
}

// knowsSizes reports whether no image needs the sizes of layers that are here:
// a classic store reads none, the others go by their own blobs.
func (s *Sink) knowsSizes() bool {
	for i, ip := range s.plan.Images {
		for j, have := range ip.Have {
			m := &s.offer.Images[i]
			made := m.Root == "" || s.e.store == Podman // its manifest
			if _, ok := s.own[m.Layers[j].DiffID]; have && made && !ok {
				return s.e.store == Classic
			}
		}
	}
	return true
}

// checkNames refuses m before it is sent if one of its names would move from
// another image and is not to. whole is m's ID here, if it is here.
func (s *Sink) checkNames(ctx context.Context, m *transfer.Image, whole digest.Digest) error {
	if !s.NoClobber {
		return nil
	}
	for _, ref := range m.Refs {
		l, err := s.e.find(ctx, ref)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return failed("inspect "+ref, err)
		}
		if l.id != whole && l.id != m.Config && l.id != m.Root {
			return clobbers(ref, l.id)
		}
	}
	return nil
}

// findWhole returns the ID of the image here that is m, or "".
func (s *Sink) findWhole(ctx context.Context, m *transfer.Image) (digest.Digest, error) {
	want := m.Config
	if s.e.store == Containerd {
		want = m.Root
	}
	if want != "" {
		l, err := s.e.findPlatform(ctx, want.String(), m.Platform)
		if err == nil && l.id == want && sameLayers(l, m) && s.e.complete(ctx, l) {
			return l.id, nil
		}
		if err != nil && !errdefs.IsNotFound(err) {
			return "", err
		}
	}
	if s.e.store != Containerd || m.Config == "" {
		return "", nil
	}
	return s.findByConfig(ctx, m)
}

// findByConfig looks in a containerd store for an image that came from another
// store and so has another ID: one with the same layers whose config is m's.
func (s *Sink) findByConfig(ctx context.Context, m *transfer.Image) (digest.Digest, error) {
	all, err := s.e.locals(ctx)
	if err != nil {
		return "", err
	}
	for _, l := range all {
		if !sameLayers(l, m) {
			continue
		}
		tree, err := s.e.describePush(ctx, l)
		if err != nil {
			continue // not known to be the same
		}
		doc := tree.Find(l.id, m.Platform, len(m.Layers))
		if doc != nil && doc.Config.Digest == m.Config && s.e.complete(ctx, l) {
			return l.id, nil
		}
	}
	return "", ctx.Err()
}

// complete reports whether an image in a containerd store has all its blobs,
// as far as the engine tells. Other stores have no incomplete images.
func (e *Engine) complete(ctx context.Context, l *local) bool {
	if !e.canProbe() {
		return true
	}
	in, err := e.api.ImageInspect(ctx, l.target.String(), client.ImageInspectWithManifests(true))
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

// Put writes a blob into the load.
func (s *Sink) Put(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	if s.load == nil {
		s.load = s.e.startLoad(ctx)
	}
	body := s.load.pw
	stop := context.AfterFunc(ctx, func() { _ = body.Close() })
	defer stop()
	src := &transfer.ErrorReader{R: r}
	err := s.load.Blob(desc.Digest, desc.Size, src)
	switch {
	case err == nil:
		return nil
	case src.Err != nil:
		return src.Err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return failed("load", s.load.failure(ctx, err))
}

// Commit ends the load, verifies what it made, and names it.
func (s *Sink) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	defer func() {
		s.probe.remove(ctx)
		s.probe = nil
	}()
	ids := s.whole
	var fresh []digest.Digest
	if len(x.Images) > 0 {
		loaded, isNew, err := s.commitLoad(ctx, x)
		if err != nil {
			if reason := s.vanished(ctx, err); reason != "" {
				return &transfer.Outcome{Retry: reason}, nil
			}
			return nil, err
		}
		fresh = isNew
		for offered, id := range loaded {
			ids[offered] = id
		}
	}
	out := &transfer.Outcome{}
	for i := range s.offer.Images {
		if m := &s.offer.Images[i]; ids[m.ID] != "" {
			out.Images = append(out.Images, transfer.Arrival{ID: m.ID, New: ids[m.ID]})
		}
	}
	if err := s.nameAll(ctx, out); err != nil {
		s.discard(ctx, fresh)
		return nil, err
	}
	return out, nil
}

// Close ends what a failed round left open.
func (s *Sink) Close(error) error {
	ctx := context.Background()
	if s.load != nil {
		s.load.abort(ctx)
		s.load = nil
	}
	s.probe.remove(ctx)
	return nil
}

// vanished says which layer that was there when the plan was made is gone, or
// "" if that is not why err happened.
func (s *Sink) vanished(ctx context.Context, err error) string {
	if s.offer.Full || ctx.Err() != nil || transfer.KindOf(err) == transfer.KindBroken {
		return ""
	}
	var take []*transfer.Image
	var had [][]bool
	for i, ip := range s.plan.Images {
		if ip.Status == transfer.Take {
			take, had = append(take, &s.offer.Images[i]), append(had, ip.Have)
		}
	}
	now, err := s.e.layers(ctx, take)
	if err != nil {
		return ""
	}
	defer now.probe.remove(ctx)
	for i, m := range take {
		for j := range had[i] {
			if had[i][j] && (now.have[i] == nil || !now.have[i][j]) {
				return fmt.Sprintf("layer %d of %s was here and is gone", j+1, m.Name())
			}
		}
	}
	return ""
}

var errNotLoaded = errors.New("the engine reports success but does not have the image")
