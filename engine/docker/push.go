package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/imgsend/imgsend/engine/docker/buildkit"
	"github.com/imgsend/imgsend/engine/docker/layerpush"
	"github.com/imgsend/imgsend/engine/docker/libpod"
	"github.com/imgsend/imgsend/engine/docker/loopback"
	"github.com/imgsend/imgsend/engine/internal/owner"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pushRepo is the repository of the temporary names that images have while they
// are pushed.
const pushRepo = "imgsend-push"

const (
	// pushShare and pushFloor say when a push of layers is faster than a save:
	// when no more than this share of the image is wanted, and at least this
	// much is not, in bytes. Of 700 MB of text a sixth takes 8.6 s and a save 6.4 s
	// on 20.10.24, an eleventh 4.7 and 5.8 s; a quarter as long as a save on 28.5.2.
	//
	// A save is silent while the engine writes the whole image to its disk. A push of all
	// layers is not, and is slower all the same, at every rate: the engine compresses
	// more slowly than it saves, and a layer moves only when all of it has come. Seconds
	// until 307 MB in four layers, three quarters text, had arrived and had a name
	// (medians of three, two cores, engines' data in memory):
	//
	//	                      save    push of one layer at a time    of all at once
	//	20.10.24, 100 Mbit/s  15.9    23.5                           17.9
	//	20.10.24, 1 Gbit/s     4.4    13.8                            9.5
	//	20.10.24, no limit     4.9    12.3                            9.7
	//	28.5.2, 100 Mbit/s    15.0    18.9                           16.6
	//	28.5.2, 1 Gbit/s       6.1     8.3                            7.3
	//	28.5.2, no limit       5.7     8.4                            7.7
	pushShare = 8
	pushFloor = 32 << 20
	// pushIdle is how long an engine may hand over nothing while it is waited for.
	pushIdle = 30 * time.Second
	// configTimeout bounds the question for a config.
	configTimeout = 10 * time.Second
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
	case parked > layerpush.MaxParked && !s.e.pushesByID:
		return false, why + ", below others"
	}
	return wanted <= whole/pushShare && whole-wanted >= s.pushFloor, why
}

// pushLayers has the engine push the layers of m that are not in drop, and
// puts them, uncompressed, and the config. After a failure of anything but the
// sink the image can still be saved: what was put by then is in drop.
func (x *export) pushLayers(ctx context.Context, m *transfer.Image) error {
	s, l := x.s, x.s.found[m.ID]
	tag := owner.Tag()
	name := func(reg *loopback.Registry) string { return reg.Addr() + "/" + pushRepo + ":" + tag }
	p := layerpush.Push{
		Image: m.ID, Wanted: map[digest.Digest]bool{}, AsksFirst: s.e.pushesByID, Present: map[digest.Digest]int64{},
		Begin: func(ctx context.Context, reg *loopback.Registry, said func(layer, status string)) error {
			return s.e.push(ctx, l, name(reg), reg, said)
		},
		AskConfig: func(ctx context.Context, reg *loopback.Registry) ([]byte, error) {
			return s.e.askConfig(ctx, l, name(reg))
		},
		Put:  x.putLayer,
		Idle: s.idleTime, OnUpload: s.onUpload,
	}
	for _, l := range m.Layers {
		if !x.drop[l.DiffID] {
			p.Wanted[l.DiffID] = true
		} else if p.AsksFirst {
			p.Present[l.DiffID] = l.Size
		}
	}
	config, err := p.Run(ctx)
	if err != nil {
		return err
	}
	return x.index(ctx, m, config)
}

// putLayer puts one layer.
func (x *export) putLayer(ctx context.Context, l *rootfs.Layer) error {
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: l.DiffID, Size: l.Size}
	if err := x.w.Put(ctx, d, io.NewSectionReader(l, 0, l.Size)); err != nil {
		return err
	}
	x.s.putLayers[l.DiffID], x.drop[l.DiffID] = d, true
	return nil
}

// index puts the config, if it is not in drop, and notes how the blobs make up the
// image.
func (x *export) index(ctx context.Context, m *transfer.Image, config []byte) error {
	out := &transfer.IndexImage{ID: m.ID, Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: m.ID, Size: int64(len(config))}}
	if !x.drop[m.ID] {
		if err := x.w.Put(ctx, out.Config, bytes.NewReader(config)); err != nil {
			return err
		}
		x.drop[m.ID] = true
	}
	for _, l := range m.Layers {
		d, ok := x.s.putLayers[l.DiffID]
		if !ok { // the sink has it; its size may be unknown here
			d = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: l.DiffID}
			if x.s.found[m.ID].sized {
				d.Size = l.Size
			}
		}
		out.Layers = append(out.Layers, d)
	}
	x.done[m.ID] = out
	return nil
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
	if d := digest.FromBytes(b); d != l.id {
		return nil, fmt.Errorf("the engine gives the config %s as that of %s", d, l.id)
	}
	return b, nil
}

// push has the engine push an image to reg, as ref, and reads its answer to the
// end. Each message of it is passed to said. Docker gives the image that name for
// the push, and so needs one that has another: else the image would go with the
// name. Podman pushes by ID and says nothing of use. Engines talk plain HTTP to
// 127.0.0.0/8 unless told otherwise.
func (e *Engine) push(ctx context.Context, l *local, ref string, reg *loopback.Registry, said func(layer, status string)) error {
	auth, err := registry.EncodeAuthConfig(registry.AuthConfig{Username: reg.User, Password: reg.Password})
	if err != nil {
		return err
	}
	if e.pushesByID {
		body, err := libpod.Dialer(e.api.Dialer()).Push(ctx, l.id, ref, http.Header{registry.AuthHeader: {auth}})
		if err != nil {
			return err
		}
		defer body.Close()
		return readAnswer(body, nil)
	}
	if len(l.inspect.RepoTags) == 0 {
		return errors.New("the image has no name")
	}
	defer func() {
		// Also after a tag that failed: it may have been given all the same.
		ctx, cancel := cleanupContext(ctx)
		defer cancel()
		_, _ = e.api.ImageRemove(ctx, ref, image.RemoveOptions{})
	}()
	if err := e.api.ImageTag(ctx, l.id.String(), ref); err != nil {
		return err
	}
	body, err := e.api.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer body.Close()
	return readAnswer(body, func(m message) { said(m.ID, m.Status) })
}
