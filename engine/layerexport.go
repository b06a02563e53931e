package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
)

const (
	// maxUnnamed is how much of a layer may come before the engine has said
	// which it is, in bytes unpacked.
	maxUnnamed = 64 << 20
	// heldWait is how long an engine may take to begin with another layer
	// while some are held. One that pushes fewer at a time does not.
	heldWait = 2 * time.Second
)

var (
	errUnwanted = errors.New("the layer is not wanted")
	errUnnamed  = errors.New("the engine does not say which layer it pushes")
	errOthers   = errors.New("the engine pushes other layers first")
)

// A layerExport is one push of layers.
type layerExport struct {
	reg    *layerRegistry
	idle   *idle
	pushed chan error
	began  map[string]bool // names that said has seen; its alone
	names  chan string     // of layers that the engine has begun to push

	unsure  bool                   // whether layers come that are not wanted
	known   map[string]bool        // names whose layer has been taken or held
	wanted  map[digest.Digest]bool // whether a layer is still to come
	held    int
	refused func(put int) error // for tests
}

// left counts the layers that are still to come.
func (x *layerExport) left() int {
	n := 0
	for _, is := range x.wanted {
		if is {
			n++
		}
	}
	return n
}

// said notes which layers the engine has begun to push.
func (x *layerExport) said(m message) {
	if m.Status != "Pushing" || x.began[m.ID] || len(x.began) == cap(x.names) {
		return
	}
	x.began[m.ID] = true
	x.names <- m.ID
}

// next lets one more layer through and returns its upload.
func (x *layerExport) next() (*layerUpload, error) {
	x.idle.start()
	defer x.idle.stop()
	var other <-chan time.Time
	if x.held > 0 {
		t := time.NewTimer(heldWait)
		defer t.Stop()
		other = t.C
	}
	for start := x.reg.start; ; {
		select {
		case start <- struct{}{}:
			start = nil
		case u := <-x.reg.uploads:
			return u, nil
		case err := <-x.pushed:
			if err == nil {
				err = errors.New("the push ended before all layers came")
			}
			return nil, err
		case <-other:
			return nil, errOthers
		}
	}
}

// take unpacks a layer that is wanted. It returns nil for one that is not: that
// is left waiting for the end of the push, if it is not over already.
func (x *layerExport) take(ctx context.Context, u *layerUpload, body io.Reader) (*rootfs.Layer, error) {
	if x.refused != nil {
		if err := x.refused(len(x.known)); err != nil {
			return nil, err
		}
	}
	zr, err := gzip.NewReader(body)
	if err != nil {
		return nil, err
	}
	layer, err := rootfs.Spool(ctx, &layerReader{r: zr, x: x, named: !x.unsure})
	if errors.Is(err, errUnwanted) {
		x.held++
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	close(u.done)
	x.known[layerName(layer.DiffID)] = true
	if !x.wanted[layer.DiffID] {
		return nil, layer.Close()
	}
	return layer, nil
}

// layerName is what an engine calls a layer in its answer.
func layerName(diffID digest.Digest) string { return diffID.Encoded()[:12] }

// wants reports whether the layer of this name is still to come.
func (x *layerExport) wants(name string) bool {
	for d, is := range x.wanted {
		if is && layerName(d) == name {
			return true
		}
	}
	return false
}

// A layerReader reads a layer and fails with errUnwanted as soon as the engine
// has said that it is one that is not wanted.
type layerReader struct {
	r     io.Reader
	x     *layerExport
	n     int64
	named bool
}

func (r *layerReader) Read(p []byte) (int, error) {
	for !r.named {
		select {
		case name := <-r.x.names:
			if r.x.known[name] {
				continue // it was over before the engine said so
			}
			r.named, r.x.known[name] = true, true
			if !r.x.wants(name) {
				return 0, errUnwanted
			}
			continue
		default:
		}
		if r.n > maxUnnamed {
			return 0, errUnnamed
		}
		break
	}
	n, err := r.r.Read(p[:min(len(p), 64<<10)])
	r.n += int64(n)
	return n, err
}
