package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/imgsend/imgsend/engine/docker/buildkit"
	"github.com/imgsend/imgsend/engine/docker/loopback"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A classic store and Podman save whole images only. Single layers come out of
// them by a push to a registry of ours: the engine compresses layers with gzip,
// several at a time, and the registry takes one at a time, those that are wanted.
//
// Podman asks for each layer by its DiffID before it compresses it, and is told
// that the unwanted ones are present. The config is uploaded like a layer (seen on
// 4.3.1 and 5.8.6).
//
// A classic store asks only for blob digests that it knows from earlier pushes and
// pulls. It begins with the top layer and pushes up to five layers at a time
// (max-concurrent-uploads). Once it has read 512 kB or 1 % of a layer, its answer
// names the layer. So one upload at a time is read up to that point. If it is
// not wanted it is parked: its body is not read on. The config would come last;
// BuildKit has it sooner (seen on 20.10.24, 26.1.5, 28.5.2 and 29).

const (
	// pushShare and pushFloor say when a push of layers is faster than a save:
	// when no more than this share of the image is wanted, and at least this
	// much is not, in bytes. Of 700 MB of text a sixth takes 8.6 s and a save 6.4 s
	// on 20.10.24, an eleventh 4.7 and 5.8 s; a quarter as long as a save on 28.5.2.
	pushShare = 8
	pushFloor = 32 << 20
	// maxParked is how many unwanted layers may stand above wanted ones: an
	// engine pushes five at a time unless told otherwise.
	maxParked = 4
	// pushIdle is how long an engine may hand over nothing while it is waited for.
	pushIdle = 30 * time.Second
	// configTimeout bounds the question for a config.
	configTimeout = 10 * time.Second
)

var (
	errIdle      = errors.New("the engine hands over nothing")
	errPushEnded = errors.New("the push ended before all layers came")
)

// pushesLayers reports whether the engine is to push the layers of m that are not
// in drop, instead of saving the image, and why.
func (x *export) pushesLayers(m *transfer.Image) (bool, string) {
	s := x.s
	if why := s.saveOnly(); why != "" {
		return false, why
	}
	var wanted, whole int64
	above, parked := 0, 0 // unwanted layers seen from the top, and above wanted ones
	seen := map[digest.Digest]bool{}
	for _, l := range slices.Backward(m.Layers) {
		if seen[l.DiffID] {
			continue
		}
		seen[l.DiffID] = true
		whole += l.Size
		if x.drop[l.DiffID] {
			above++
		} else {
			wanted += l.Size
			parked = above
		}
	}
	why := fmt.Sprintf("%s, about %.1f of %.1f MB wanted", s.e.store, float64(wanted)/1e6, float64(whole)/1e6)
	switch {
	case !x.plan.KnowsSizes && !s.found[m.ID].sized:
		return false, why + ", the receiver needs the sizes of all layers"
	case !s.e.endpoint.Local():
		return false, why + ", the engine is not on this host"
	case parked > maxParked && s.e.store == Classic:
		return false, why + ", below others"
	}
	return wanted <= whole/pushShare && whole-wanted >= s.pushFloor, why
}

// A layerPush is one push of single layers of an image.
type layerPush struct {
	*export
	image *local
	reg   *loopback.Registry
	ref   string
	idle  *idleTimer

	wanted map[digest.Digest]bool // layers that are still to come
	filter *layerFilter           // nil where unwanted layers are not uploaded
	parked int                    // uploads that wait in their bodies
	taken  int                    // layers that were read whole
	config []byte                 // nil until it is known
}

// pushLayers has the engine push the layers of m that are not in drop, and
// puts them, uncompressed, and the config. After a failure of anything but the
// sink the image can still be saved: what was put by then is in drop.
func (x *export) pushLayers(ctx context.Context, m *transfer.Image) error {
	s := x.s
	pushCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &layerPush{export: x, image: s.found[m.ID], wanted: map[digest.Digest]bool{}}
	p.idle = newIdleTimer(s.idleTime, func() { cancel(errIdle) })
	present := map[digest.Digest]int64{}
	for _, l := range m.Layers {
		if !x.drop[l.DiffID] {
			p.wanted[l.DiffID] = true
		} else if s.e.store == Podman {
			present[l.DiffID] = l.Size
		}
	}
	said := func(message) {}
	if s.e.store == Classic {
		p.filter = newLayerFilter()
		said = p.filter.said
	}
	var err error
	if p.reg, err = loopback.Listen(pushCtx, loopback.Options{Present: present}); err != nil {
		return err
	}
	p.ref = pushName(p.reg)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := s.e.push(pushCtx, p.image, p.ref, p.reg, said)
		if err == nil {
			err = errPushEnded
		}
		cancel(err)
	}()
	err = p.take(ctx, pushCtx)
	if cause := context.Cause(pushCtx); err != nil && cause != nil && x.w.Err == nil {
		err = cause // the first failure, whatever followed from it
	}
	cancel(nil)
	p.reg.Close()
	<-ended // the temporary name is removed
	if err != nil {
		return err
	}
	return p.index(ctx, m)
}

// take puts the wanted layers as the engine pushes them, and sets the config. Reads from the engine end with pushCtx, puts with ctx.
func (p *layerPush) take(ctx, pushCtx context.Context) error {
	for len(p.wanted) > 0 || p.config == nil {
		u, err := p.next(pushCtx)
		if err != nil {
			return err
		}
		if p.filter != nil && p.config == nil { // it pushes, so the image has the name
			if p.config, err = p.s.e.askConfig(pushCtx, p.image, p.ref); err != nil {
				return err
			}
		}
		layer, err := p.read(ctx, u)
		if err != nil {
			return err
		}
		if layer == nil || !p.wanted[layer.DiffID] {
			if layer != nil {
				_ = layer.Close()
			}
			continue
		}
		err = p.putLayer(ctx, layer)
		if cerr := layer.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
		delete(p.wanted, layer.DiffID)
		p.drop[layer.DiffID] = true
	}
	return nil
}

// next lets one more layer through and returns its upload.
func (p *layerPush) next(ctx context.Context) (*loopback.Upload, error) {
	p.idle.start()
	defer p.idle.stop()
	if p.parked > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, parkedWait, errOthersFirst)
		defer cancel()
	}
	return p.reg.Next(ctx)
}

// askConfig asks the engine's BuildKit for the config of an image that has the name
// ref, in its full form.
func (e *Engine) askConfig(ctx context.Context, l *local, ref string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, configTimeout)
	defer cancel()
	conn, err := e.grpc(ctx)
	if err != nil {
		return nil, err
	}
	b, err := buildkit.ImageConfig(ctx, conn, ref, platformOf(l))
	if err != nil {
		return nil, err
	}
	return b, isConfig(b, l.id)
}

func isConfig(b []byte, id digest.Digest) error {
	if d := digest.FromBytes(b); d != id {
		return fmt.Errorf("the engine gives the config %s as that of %s", d, id)
	}
	return nil
}

// putLayer puts one layer.
func (x *export) putLayer(ctx context.Context, l *rootfs.Layer) error {
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: l.DiffID, Size: l.Size}
	if err := x.w.Put(ctx, d, io.NewSectionReader(l, 0, l.Size)); err != nil {
		return err
	}
	x.s.putLayers[l.DiffID] = d
	return nil
}

// index puts the config, if it is not in drop, and notes how the blobs make up the
// image.
func (p *layerPush) index(ctx context.Context, m *transfer.Image) error {
	out := &transfer.IndexImage{ID: m.ID, Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: m.ID, Size: int64(len(p.config))}}
	if !p.drop[m.ID] {
		if err := p.w.Put(ctx, out.Config, bytes.NewReader(p.config)); err != nil {
			return err
		}
		p.drop[m.ID] = true
	}
	for _, l := range m.Layers {
		d, ok := p.s.putLayers[l.DiffID]
		if !ok { // the sink has it; its size may be unknown here
			d = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: l.DiffID}
			if p.image.sized {
				d.Size = l.Size
			}
		}
		out.Layers = append(out.Layers, d)
	}
	p.done[m.ID] = out
	return nil
}

// readConfig reads the config of an image to its end.
func readConfig(r io.Reader, id digest.Digest) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, layout.MaxDocument+1))
	if err != nil {
		return nil, err
	}
	return b, isConfig(b, id)
}
