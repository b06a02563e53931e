package containerd

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Sink takes images into a containerd: blobs go into its content store and are
// unpacked while later ones come. What is whole and unpacked is named. Until then a
// lease keeps it.
type Sink struct {
	*catalog.Sink
	w         *writable
	offer     *transfer.Offer
	leaseTime time.Duration
}

var (
	_ transfer.Sink   = (*Sink)(nil)
	_ transfer.Loader = (*Sink)(nil)
)

// Sink returns a sink into the store. The caller closes the store after it.
func (s *Store) Sink(_ context.Context, o store.SinkOptions) (transfer.Sink, error) {
	w := &writable{Store: s, configs: map[digest.Digest]digest.Digest{}, report: func(digest.Digest, float64) {}}
	out := &Sink{Sink: catalog.NewSink(w), w: w, leaseTime: leaseTime}
	out.NoClobber = o.NoClobber
	return out, nil
}

// ReportTo has the sink tell which layers have been unpacked.
func (s *Sink) ReportTo(report func(layer digest.Digest, part float64)) { s.w.report = report }

// Plan looks which images and layers are here, has the lease keep them, and starts
// to unpack.
func (s *Sink) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	s.stopUnpacking()
	for i := range o.Images {
		if err := store.OnlySHA256(&o.Images[i], s.w.String(), true); err != nil {
			return nil, err
		}
	}
	s.offer = o
	if s.w.lease == nil && !o.DryRun {
		var err error
		if s.w.lease, err = s.w.newLease(ctx, s.leaseTime); err != nil {
			return nil, err
		}
	}
	if err := s.w.refresh(ctx); err != nil {
		return nil, err
	}
	return s.Sink.Plan(ctx, o)
}

// Keep has the lease keep what is here, and starts to unpack.
func (w *writable) Keep(ctx context.Context, o *transfer.Offer, here []catalog.Here) (bool, error) {
	layers := map[digest.Digest]ocispec.Descriptor{}
	var kept []digest.Digest
	for _, h := range here {
		if h.Root.Digest != "" {
			kept = append(kept, h.Root.Digest) // and with it all that it refers to
		}
		for _, d := range h.Layers {
			if _, ok := layers[d.Digest]; d.Digest != "" && !ok {
				layers[d.Digest] = d
				kept = append(kept, d.Digest)
			}
		}
	}
	for _, d := range kept {
		if err := w.lease.keep(ctx, d); err != nil {
			return false, err
		}
	}
	if len(kept) > 0 {
		if err := w.refresh(ctx); err != nil {
			return false, err
		}
	}
	for _, d := range kept {
		if _, ok := w.Size(d); !ok {
			return false, nil
		}
	}
	var err error
	w.unpack, err = w.newUnpacker(ctx, chains(o, here), layers)
	return true, err
}

// chains returns what can be unpacked before all of an image is here: the layers of
// those for this platform. Of others it is not known yet whether they have a part
// for it.
func chains(o *transfer.Offer, here []catalog.Here) []chain {
	var out []chain
	host := ocispec.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
	for i, h := range here {
		m := &o.Images[i]
		if h.Root.Digest != "" || !layout.Matches(m.Platform, host) {
			continue
		}
		c := slices.Clone(chain(m.Layers))
		for j, d := range h.Layers {
			c[j].Digest = cmp.Or(d.Digest, c[j].Digest)
		}
		out = append(out, c)
	}
	return out
}

// Commit ends the unpacking and names the images when all of them are here as
// they were offered.
func (s *Sink) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	if err := s.w.unpack.finish(); err != nil {
		return nil, err
	}
	if err := s.w.refresh(ctx); err != nil {
		return nil, err
	}
	out, err := s.Sink.Commit(ctx, x)
	if left := remained(err, s.offer); left != nil {
		return left, err
	}
	if err == nil && out.Retry == "" {
		for i := range s.offer.Images {
			for _, l := range s.offer.Images[i].Layers {
				s.w.report(l.DiffID, 1) // of other platforms, too, which are not unpacked
			}
		}
	}
	return out, err
}

// Close ends the copy. What is here of an image that did not arrive stays for as
// long as the lease if a broken stream is the reason: for the next try. Otherwise
// containerd removes it within seconds.
func (s *Sink) Close(err error) error {
	s.stopUnpacking()
	if s.w.lease != nil && transfer.KindOf(err) != transfer.KindBroken {
		_ = s.w.lease.end(context.Background()) // else it expires
		s.w.lease = nil
	}
	return s.Sink.Close(err)
}

func (s *Sink) stopUnpacking() {
	if s.w.unpack != nil {
		s.w.unpack.abort()
		s.w.unpack = nil
	}
}

// Finish labels an image whose blobs are all here, so that containerd keeps them
// with it, and unpacks what of it has not been unpacked.
func (w *writable) Finish(ctx context.Context, m *transfer.Image, root ocispec.Descriptor) error {
	item, err := (&layout.Reader{Blobs: w, Arch: runtime.GOARCH}).Image(ctx, root)
	if err != nil {
		return failed("read "+m.Name(), err)
	}
	w.configs[root.Digest] = item.Config
	if err := w.label(ctx, root); err != nil {
		return failed("label "+m.Name(), err)
	}
	if !strings.EqualFold(item.Platform.OS, runtime.GOOS) { // "Linux" is seen, too
		return nil // cannot be unpacked here
	}
	if len(item.Layers) == 0 {
		return nil
	}
	diffIDs := chain(item.Layers).diffIDs()
	unpacked, err := w.unpacked(ctx, item.Layers)
	if err != nil {
		return err
	}
	for i, l := range item.Layers {
		if unpacked {
			break
		}
		// By its first bytes: its media type in the manifest is a claim.
		if err := w.unpack.apply(ctx, diffIDs[:i+1], ocispec.Descriptor{Digest: l.Digest}); err != nil {
			return err
		}
	}
	label := "containerd.io/gc.ref.snapshot." + w.unpack.snapshotter
	_, err = w.client.ContentStore().Update(ctx, content.Info{Digest: item.Config, Labels: map[string]string{label: identity.ChainID(diffIDs).String()}}, "labels."+label)
	return failed("label the config of "+m.Name(), err)
}

// unpacked reports whether all layers of an image are known to be what they should
// be, and are unpacked. The lease holds their snapshot then.
func (w *writable) unpacked(ctx context.Context, layers chain) (bool, error) {
	for _, l := range layers {
		if w.content.DiffID(l.Digest) != l.DiffID {
			return false, nil
		}
	}
	return w.unpack.keep(ctx, identity.ChainID(layers.diffIDs()).String())
}

// label gives the manifests and indexes of an image the labels that name what they
// refer to, as far as they are here.
func (w *writable) label(ctx context.Context, root ocispec.Descriptor) error {
	store := w.client.ContentStore()
	children := func(ctx context.Context, d ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		list, err := images.Children(ctx, store, d)
		if errdefs.IsNotFound(err) {
			return nil, fmt.Errorf("%s: %w", d.Digest, images.ErrSkipDesc) // of a platform that is not here
		}
		return list, err
	}
	return images.Walk(ctx, images.SetChildrenLabels(store, images.HandlerFunc(children)), root)
}
