package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Sink takes images into an engine: blobs go straight into loads, without
// a name; what was loaded is verified, and only then named.
type Sink struct {
	// NoClobber refuses names that another image has here.
	NoClobber bool

	e *Engine

	offer      *transfer.Offer
	plan       *transfer.Plan
	whole      map[digest.Digest]digest.Digest      // offered ID → ID here
	localBlobs map[digest.Digest]ocispec.Descriptor // by DiffID, see [presence]
	// content is what a containerd store had when the plan was made; nil for
	// other stores, and where it is not served.
	content *imageContent
	guard   *layout.Guard
	loads   *staging        // of this round
	arrived bool            // this round's images have arrived
	stayed  []digest.Digest // prefixes of earlier rounds
	kept    transfer.Kept
	report  func(layer digest.Digest, part float64) // see [transfer.Loader]
	// unpacked has the layers that were put decompressed, by the digests that they
	// came under.
	unpacked map[digest.Digest]ocispec.Descriptor
}

var (
	_ transfer.Sink   = (*Sink)(nil)
	_ transfer.Keeper = (*Sink)(nil)
	_ transfer.Loader = (*Sink)(nil)
)

// NewSink returns a sink into e.
func NewSink(e *Engine) *Sink { return &Sink{e: e, report: func(digest.Digest, float64) {}} }

// Plan looks which images and layers the engine has.
func (s *Sink) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	s.endLoads(cleanupTime) // of the round before
	s.offer, s.whole, s.guard = o, map[digest.Digest]digest.Digest{}, layout.NewGuard(o)
	s.unpacked = map[digest.Digest]ocispec.Descriptor{}
	if err := s.list(ctx); err != nil {
		return nil, err
	}
	s.plan = &transfer.Plan{Images: make([]transfer.ImagePlan, len(o.Images))}
	var take []int // places in the offer
	for i := range o.Images {
		m := &o.Images[i]
		for _, ref := range m.Refs {
			if _, err := store.ParseName(ref); err != nil {
				return nil, &transfer.Error{Kind: transfer.KindRefused, Err: err}
			}
		}
		if err := store.OnlySHA256(m, s.e.String(), s.e.store == Containerd); err != nil {
			return nil, err
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
		default:
			s.plan.Images[i].Status = transfer.Take
			take = append(take, i)
		}
	}
	if err := s.planLayers(ctx, take); err != nil {
		return nil, err
	}
	return s.plan, s.startLoads(ctx)
}

// planLayers completes the plan of the images with these places in the offer
// by the layers that are here.
func (s *Sink) planLayers(ctx context.Context, places []int) error {
	images := make([]*transfer.Image, len(places))
	for n, i := range places {
		images[n] = &s.offer.Images[i]
	}
	have := make([][]bool, len(images))
	s.localBlobs = nil
	if !s.offer.Full && len(images) > 0 {
		found, err := s.e.layers(ctx, s.content, images)
		if err != nil {
			return failed("look for layers", err)
		}
		have, s.localBlobs = found.have, found.localBlobs
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
			made := m.Root == "" || s.e.composesManifest
			if _, ok := s.localBlobs[m.Layers[j].DiffID]; have && made && !ok {
				return !s.e.readsManifests
			}
		}
	}
	return true
}

// checkNames refuses m before it is sent if one of its names would move from
// another image and is not to, or is none for this engine. whole is m's ID here, if it is
// here.
func (s *Sink) checkNames(ctx context.Context, m *transfer.Image, whole digest.Digest) error {
	for _, ref := range m.Refs {
		odd := oddHost(ref)
		if !s.NoClobber && !odd {
			continue
		}
		l, err := s.e.find(ctx, ref)
		switch {
		case errdefs.IsNotFound(err):
		case err != nil && odd && ctx.Err() == nil && !client.IsErrConnectionFailed(err):
			return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s is no name for %s: %s", ref, s.e, cleanMessage(err.Error())),
				Hint: "send it under another name with --as"}
		case err != nil:
			return failed("inspect "+ref, err)
		case s.NoClobber && l.id != whole && l.id != m.Config && l.id != m.Root:
			return store.Clobbers(ref, l.id.Encoded()[:12])
		}
	}
	return nil
}

// oddHost reports whether a name has a host that some engines do not know as one: with
// upper case letters ("Team/app:1"), or an IPv6 address.
func oddHost(ref string) bool {
	n, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return false
	}
	host := reference.Domain(n)
	return strings.HasPrefix(host, "[") || !strings.ContainsAny(host, ".:") && host != strings.ToLower(host)
}

// list looks what a containerd store consists of, also the images with these IDs.
// Where it serves no content nothing is known of it, and everything is asked for.
func (s *Sink) list(ctx context.Context, also ...digest.Digest) error {
	s.content = nil
	if !s.e.keepsBlobs {
		return nil
	}
	var err error
	if s.content, err = s.e.contentListing(ctx, also...); err != nil {
		s.content = nil
	}
	return ctx.Err()
}

// Put writes a blob into the load.
func (s *Sink) Put(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	r, err := s.guard.Put(desc, r)
	if err != nil {
		return err
	}
	if _, ok := s.loads.configs[desc.Digest]; ok {
		return s.putConfig(desc, r)
	}
	if s.e.readsZstd() {
		return s.putBlob(ctx, desc.Digest, desc, r)
	}
	// Media types have been seen to name another compression.
	b := bufio.NewReader(r)
	head, err := b.Peek(int(min(desc.Size, 4)))
	switch {
	case err != nil && err != io.EOF:
		return err
	case layout.Sniff(head) == ocispec.MediaTypeImageLayerZstd:
		return s.putUnpacked(ctx, desc, b)
	}
	return s.putBlob(ctx, desc.Digest, desc, b)
}

// putBlob writes a blob, which came under the digest offered, into the loads that need
// it.
func (s *Sink) putBlob(ctx context.Context, offered digest.Digest, desc ocispec.Descriptor, r io.Reader) error {
	into := s.loads.of(offered)
	if slices.ContainsFunc(into, func(st *stage) bool { return st.load == nil }) {
		if err := s.loads.makeRoom(ctx); err != nil {
			return err
		}
	}
	if err := s.loads.failed(); err != nil {
		if s.loads.retry == "" {
			s.loads.retry = s.vanished(ctx, err)
		}
		if s.loads.retry == "" {
			return err
		}
		_, err := io.Copy(io.Discard, r)
		return err
	}
	src := &transfer.ErrorReader{R: r}
	var writers []io.Writer
	var broken *load
	for _, st := range into {
		if st.load == nil {
			st.load = s.startLoad(ctx, st)
			s.loads.filling++
		}
		l := st.load
		stop := context.AfterFunc(ctx, func() { _ = l.pw.Close() })
		defer stop()
		w, err := l.Begin(desc.Digest, desc.Size)
		if err != nil {
			return s.putFailed(ctx, l, err)
		}
		writers = append(writers, writerFunc(func(p []byte) (int, error) {
			n, err := w.Write(p)
			if err != nil {
				broken = l
			}
			return n, err
		}))
	}
	_, err := io.Copy(io.MultiWriter(writers...), src)
	switch {
	case err == nil:
		return s.came(offered, desc)
	case src.Err != nil:
		return src.Err
	}
	return s.putFailed(ctx, broken, err)
}

// putFailed returns why a write into a load failed.
func (s *Sink) putFailed(ctx context.Context, l *load, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return failed("load", l.failure(ctx, err))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Commit ends the loads, verifies what they made, and names it.
func (s *Sink) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	if err := s.guard.Check(x); err != nil {
		return nil, err
	}
	ids := s.whole
	if len(x.Images) > 0 {
		loaded, err := s.commitLoads(ctx, x)
		if err != nil && s.loads.retry == "" {
			s.loads.retry = s.vanished(ctx, err)
		}
		switch {
		case s.loads.retry != "":
			return &transfer.Outcome{Retry: s.loads.retry}, nil
		case err != nil:
			return nil, err
		}
		maps.Copy(ids, loaded)
	}
	out := &transfer.Outcome{}
	for i := range s.offer.Images {
		if m := &s.offer.Images[i]; ids[m.ID] != "" {
			out.Images = append(out.Images, transfer.Arrival{ID: m.ID, New: ids[m.ID]})
		}
	}
	if left, err := s.nameAll(ctx, out); err != nil {
		return left, err
	}
	s.arrived = true
	return out, nil
}

// Close ends what a failed round left open, and removes the prefixes that are of no
// use any more.
func (s *Sink) Close(err error) error {
	grace := cleanupTime
	if transfer.KindOf(err) == transfer.KindInterrupted {
		grace = interruptTime
	}
	s.endLoads(grace)
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
	if err := s.list(ctx); err != nil {
		return ""
	}
	now, err := s.e.layers(ctx, s.content, take)
	if err != nil {
		return ""
	}
	for i, m := range take {
		for j := range had[i] {
			if had[i][j] && (now.have[i] == nil || !now.have[i][j]) {
				return fmt.Sprintf("layer %d of %s was here and is gone", j+1, m.Name())
			}
		}
	}
	return ""
}

// What a layer in zstd may grow to: so much in any case, and so many times its size.
const (
	unpackFloor = 8 << 30
	unpackRatio = 200
)

// maxWindow bounds the memory of a zstd decoder: the zstd program's own limit without
// --long.
const maxWindow = 128 << 20

// putUnpacked decompresses a layer into a temporary file, since a tar needs its size
// first, and writes it as it is then. The engine checks that it has its DiffID.
func (s *Sink) putUnpacked(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	limit := unpackFloor + unpackRatio*desc.Size
	plain := &io.LimitedReader{R: z, N: limit}
	layer, err := rootfs.Spool(ctx, plain)
	if plain.N == 0 {
		err = fmt.Errorf("layer %s of %d bytes decompresses to more than %d: not one that is meant to be read", desc.Digest, desc.Size, limit)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, r) // to its end, where its digest is checked
	}
	if layer != nil {
		defer layer.Close()
	}
	if err != nil {
		return unpacking(desc, err)
	}
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: layer.DiffID, Size: layer.Size}
	s.unpacked[desc.Digest] = d
	return s.putBlob(ctx, desc.Digest, d, io.NewSectionReader(layer, 0, layer.Size))
}

// unpacking is the error for a layer that cannot be decompressed.
func unpacking(desc ocispec.Descriptor, err error) error {
	if transfer.KindOf(err) != transfer.KindOther {
		return err
	}
	return &transfer.Error{Kind: transfer.KindBroken, Op: "decompress layer " + desc.Digest.String(), Err: err}
}

// readsZstd reports whether the engine reads layers that are compressed with zstd.
func (e *Engine) readsZstd() bool {
	return e.zstdSince == "" || !versions.LessThan(e.version, e.zstdSince)
}

var errNotLoaded = errors.New("the engine reports success but does not have the image")
