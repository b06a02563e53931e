// Package layerpush takes single layers out of an engine that saves whole images only,
// a classic store or Podman: by a push to a registry of ours. The engine compresses
// layers with gzip, several at a time, and the registry takes one at a time, those that
// are wanted.
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
//
// The package knows no engine: its caller has the engine push. It stores nothing on disk
// but one layer at a time, in a temporary file without a name.
package layerpush

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/imgsend/imgsend/engine/docker/loopback"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
)

// MaxParked is how many unwanted layers may be above wanted ones where the engine does
// not ask first: it pushes five at a time unless told otherwise.
const MaxParked = 4

// parkedWait is how long an engine may take to begin with another layer while some
// are parked. One that pushes fewer at a time never does.
const parkedWait = 2 * time.Second

var (
	errIdle        = errors.New("the engine hands over nothing")
	errPushEnded   = errors.New("the push ended before all layers came")
	errOthersFirst = errors.New("the engine pushes other layers first")
)

// A Push is one push of single layers of an image. Run it once.
type Push struct {
	Image  digest.Digest          // its ID, which is the digest of its config
	Wanted map[digest.Digest]bool // the DiffIDs of the layers to take; Run deletes those that were taken
	// AsksFirst says that the engine asks for each layer before it uploads it, and
	// uploads the config. It is told that the layers in Present, by DiffID, are there.
	AsksFirst bool
	Present   map[digest.Digest]int64 // sizes in bytes

	// Begin has the engine push the image, and returns when the push has ended. said
	// is called with what the engine says of a layer, by the first 12 digits of its
	// DiffID.
	Begin func(ctx context.Context, reg *loopback.Registry, said func(layer, status string)) error
	// AskConfig returns the image's config while the push goes on. It is not called
	// if AsksFirst is set.
	AskConfig func(ctx context.Context, reg *loopback.Registry) ([]byte, error)
	// Put takes a layer, which is closed when it returns. Its error ends the push.
	Put func(context.Context, *rootfs.Layer) error

	Idle     time.Duration         // for how long the engine may hand over nothing while it is waited for
	OnUpload func(taken int) error // asked at the beginning of each upload, if not nil: its error ends the push

	reg    *loopback.Registry
	idle   *idleTimer
	filter *filter // nil if AsksFirst
	parked int     // uploads that wait in their bodies
	taken  int     // layers that were read whole
	config []byte  // nil until it is known
	putErr error
}

// Run puts the wanted layers and returns the config. Reads from the engine end when the
// push fails, puts with ctx. The error of Put comes back as it is.
func (p *Push) Run(ctx context.Context) (config []byte, err error) {
	pushCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.idle = newIdleTimer(p.Idle, func() { cancel(errIdle) })
	said := func(string, string) {}
	if !p.AsksFirst {
		p.filter = newFilter()
		said = p.filter.said
	}
	if p.reg, err = loopback.Listen(pushCtx, loopback.Options{Present: p.Present}); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := p.Begin(pushCtx, p.reg, said)
		if err == nil {
			err = errPushEnded
		}
		cancel(err)
	}()
	err = p.take(ctx, pushCtx)
	if cause := context.Cause(pushCtx); err != nil && cause != nil && p.putErr == nil {
		err = cause // the first failure, whatever followed from it
	}
	cancel(nil)
	p.reg.Close()
	<-ended // Begin has cleaned up
	return p.config, err
}

// take puts the wanted layers as the engine pushes them, and sets the config.
func (p *Push) take(ctx, pushCtx context.Context) error {
	for len(p.Wanted) > 0 || p.config == nil {
		u, err := p.next(pushCtx)
		if err != nil {
			return err
		}
		if p.filter != nil && p.config == nil { // it pushes, so the image has the name
			if p.config, err = p.AskConfig(pushCtx, p.reg); err != nil {
				return err
			}
		}
		layer, err := p.read(ctx, u)
		if err != nil {
			return err
		}
		if layer == nil {
			continue
		}
		if p.Wanted[layer.DiffID] {
			p.putErr = p.Put(ctx, layer)
			delete(p.Wanted, layer.DiffID)
		}
		if err := errors.Join(p.putErr, layer.Close()); err != nil {
			return err
		}
	}
	return nil
}

// next lets one more layer through and returns its upload.
func (p *Push) next(ctx context.Context) (*loopback.Upload, error) {
	p.idle.start()
	defer p.idle.stop()
	if p.parked > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, parkedWait, errOthersFirst)
		defer cancel()
	}
	return p.reg.Next(ctx)
}

// read reads what is uploaded: a layer, uncompressed into a temporary file, or
// the config, which it keeps. It returns no layer for the config, and for an
// unwanted layer, which it parks.
func (p *Push) read(ctx context.Context, u *loopback.Upload) (*rootfs.Layer, error) {
	body := bufio.NewReader(&idleReader{u, p.idle})
	magic, err := body.Peek(2)
	if err != nil {
		return nil, err
	}
	if gzipped := bytes.Equal(magic, []byte{0x1f, 0x8b}); !gzipped && p.AsksFirst {
		if p.config, err = p.readConfig(body); err != nil {
			return nil, err
		}
		u.Accept()
		return nil, nil
	}
	if p.OnUpload != nil {
		if err := p.OnUpload(p.taken); err != nil {
			return nil, err
		}
	}
	zr, err := gzip.NewReader(body)
	if err != nil {
		return nil, err
	}
	layer, err := rootfs.Spool(ctx, &identifyingReader{r: zr, p: p, identified: p.AsksFirst})
	if errors.Is(err, errUnwanted) {
		p.parked++
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	u.Accept()
	p.taken++
	if p.filter != nil {
		p.filter.identified[layerName(layer.DiffID)] = true
	}
	return layer, nil
}

// readConfig reads the config to its end.
func (p *Push) readConfig(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, transfer.MaxDocument+1))
	if err != nil {
		return nil, err
	}
	if d := digest.FromBytes(b); d != p.Image {
		return nil, fmt.Errorf("the engine gives the config %s as that of %s", d, p.Image)
	}
	return b, nil
}
