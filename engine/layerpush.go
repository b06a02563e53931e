package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A classic store and Podman export the whole image when they save one. When they
// push, they pack single layers with gzip, several at a time. The registry takes
// those that are wanted, one at a time, and the push is broken off when it has
// what it wants. A layer comes by POST, PATCH and PUT; what it is shows only in
// the digest of its end.
//
// Podman asks before for each layer by its DiffID, and so is told that the others
// are there; the config comes like a layer (seen on 4.3.1 and 5.8.6).
//
// A classic store asks only for digests that it knows from pushes and pulls. It
// begins with the top layer and pushes up to five at a time
// (max-concurrent-uploads); it says in its answer, once it has read some of a layer
// (512 kB or 1 %), that it is pushing that one. One upload at a time is let through
// to that point, so it is that one, and is left waiting in its body if it is not
// wanted. The config would come last and is had by another way, see
// [Engine.config] (seen on 20.10.24, 26.1.5 and 28.5.2).

const (
	// pushShare and pushFloor say when a push of layers is faster than a save:
	// when no more than this share of the image is wanted, and at least this
	// much is not, in bytes. Of 700 MB of text a sixth takes 8.6 s and a save 6.4 s
	// on 20.10.24, an eleventh 4.7 and 5.8 s; a quarter as long as a save on 28.5.2.
	pushShare = 8
	pushFloor = 32 << 20
	// maxHeld is how many unwanted layers may stand above wanted ones. An
	// engine pushes so many at a time unless told otherwise.
	maxHeld = 4
)

// pushesLayers reports whether an engine is to push the layers of m that are not
// to be dropped, instead of saving the image, and why.
func (s *Source) pushesLayers(m *transfer.Image, p *transfer.Plan, drop map[digest.Digest]bool) (bool, string) {
	var wanted, whole int64
	above, held := 0, 0 // unwanted layers seen from the top, and above wanted ones
	seen := map[digest.Digest]bool{}
	for _, l := range slices.Backward(m.Layers) {
		if seen[l.DiffID] {
			continue
		}
		seen[l.DiffID] = true
		whole += l.Size
		if drop[l.DiffID] {
			above++
		} else {
			wanted += l.Size
			held = above
		}
	}
	why := fmt.Sprintf("%s, about %.1f of %.1f MB wanted", s.e.store, float64(wanted)/1e6, float64(whole)/1e6)
	switch {
	case !p.KnowsSizes && !s.found[m.ID].sized:
		return false, why + ", the receiver needs the sizes of all layers"
	case !s.e.endpoint.Local():
		return false, why + ", the engine is not on this host"
	case held > maxHeld && s.e.store == Classic:
		return false, why + ", below others"
	}
	return wanted <= whole/pushShare && whole-wanted >= s.pushFloor, why
}

// pushLayers has an engine push the layers of m that are not to be dropped, and
// puts them, unpacked, and the config into w. It fails with a
// [sinkError] when the copy cannot go on; after any other failure the image can
// still be saved: what was put by then is noted in drop.
func (s *Source) pushLayers(ctx context.Context, m *transfer.Image, drop map[digest.Digest]bool, w transfer.BlobWriter) (*transfer.IndexImage, error) {
	over := make(chan struct{})
	pushCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x := &layerExport{
		reg: &layerRegistry{start: make(chan struct{}), uploads: make(chan *layerUpload), over: over,
			claimed: map[digest.Digest]int64{}, size: map[string]int64{}, put: map[digest.Digest]int64{}},
		idle:    newIdle(s.idleTime, func() { cancel(errIdle) }),
		pushed:  make(chan error, 1),
		began:   map[string]bool{},
		names:   make(chan string, transfer.MaxLayers),
		known:   map[string]bool{},
		wanted:  map[digest.Digest]bool{},
		unsure:  s.e.store == Classic,
		refused: s.onUpload,
	}
	for _, l := range m.Layers {
		x.wanted[l.DiffID] = !drop[l.DiffID]
		if s.e.store == Podman && drop[l.DiffID] {
			x.reg.claimed[l.DiffID] = l.Size
		}
	}
	ref, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		x.pushed <- s.e.pushTo(pushCtx, s.found[m.ID], layout.NewDocuments(), pushing{said: x.said, narrow: true, serve: func(c *claimingRegistry, name string) http.Handler {
			ref <- name
			x.reg.claimingRegistry = c
			return x.reg
		}})
	}()
	config, err := s.takeLayers(ctx, m, x, ref, drop, w)
	var sink *sinkError
	if cause := context.Cause(pushCtx); err != nil && cause != nil && !errors.As(err, &sink) {
		err = cause // whatever came of it
	}
	close(over)
	cancel(nil)
	<-ended // its name is removed
	if err != nil {
		return nil, err
	}
	out := &transfer.IndexImage{ID: m.ID, Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: m.ID, Size: int64(len(config))}}
	if !drop[m.ID] {
		if err := w.Put(ctx, out.Config, bytes.NewReader(config)); err != nil {
			return nil, &sinkError{err}
		}
		drop[m.ID] = true
	}
	for _, l := range m.Layers {
		d, ok := s.putLayers[l.DiffID]
		if !ok { // it is there, where its size is known
			d = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: l.DiffID}
			if s.found[m.ID].sized {
				d.Size = l.Size
			}
		}
		out.Layers = append(out.Layers, d)
	}
	return out, nil
}

// takeLayers puts the wanted layers into w as the engine pushes them, and
// returns the config.
func (s *Source) takeLayers(ctx context.Context, m *transfer.Image, x *layerExport, ref <-chan string, drop map[digest.Digest]bool, w transfer.BlobWriter) ([]byte, error) {
	var config []byte
	for left := x.left(); left > 0 || config == nil; left = x.left() {
		u, err := x.next()
		if err != nil {
			return nil, err
		}
		if config == nil && s.e.store == Classic { // it pushes, so the image has the name
			if config, err = s.e.config(ctx, s.found[m.ID], <-ref); err != nil {
				return nil, err
			}
		}
		body := bufio.NewReader(&idleReader{u, x.idle})
		packed, err := isGzip(body)
		if err != nil {
			return nil, err
		}
		if !packed && s.e.store == Podman {
			if config, err = readConfig(body, m.ID); err != nil {
				return nil, err
			}
			close(u.done)
			continue
		}
		layer, err := x.take(ctx, u, body)
		if err != nil {
			return nil, err
		}
		if layer == nil {
			continue
		}
		err = s.putLayer(ctx, layer, w)
		if cerr := layer.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return nil, err
		}
		x.wanted[layer.DiffID], drop[layer.DiffID] = false, true
	}
	return config, nil
}

// putLayer puts one layer.
func (s *Source) putLayer(ctx context.Context, l *rootfs.Layer, w transfer.BlobWriter) error {
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: l.DiffID, Size: l.Size}
	if err := w.Put(ctx, d, io.NewSectionReader(l, 0, l.Size)); err != nil {
		return &sinkError{err}
	}
	if s.putLayers == nil {
		s.putLayers = map[digest.Digest]ocispec.Descriptor{}
	}
	s.putLayers[l.DiffID] = d
	return nil
}
