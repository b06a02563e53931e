package docker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/imgsend/imgsend/engine/docker/loopback"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
)

const (
	// maxUnidentified is how much of a layer may come before the engine has
	// named it, in uncompressed bytes.
	maxUnidentified = 64 << 20
	// parkedWait is how long an engine may take to begin with another layer
	// while some are parked. One that pushes fewer at a time never does.
	parkedWait = 2 * time.Second
)

var (
	errUnwanted     = errors.New("the layer is not wanted")
	errUnidentified = errors.New("the engine does not say which layer it pushes")
	errOthersFirst  = errors.New("the engine pushes other layers first")
)

// A layerFilter tells which layer an upload is, from what the engine says
// meanwhile.
type layerFilter struct {
	began      map[string]bool // names that said has seen; used by said alone
	names      chan string     // of layers that the engine has begun to push
	identified map[string]bool // names whose upload is known
}

func newLayerFilter() *layerFilter {
	return &layerFilter{began: map[string]bool{}, names: make(chan string, transfer.MaxLayers), identified: map[string]bool{}}
}

// said notes which layers the engine has begun to push.
func (f *layerFilter) said(m message) {
	if m.Status != "Pushing" || f.began[m.ID] || len(f.began) == cap(f.names) {
		return
	}
	f.began[m.ID] = true
	f.names <- m.ID
}

// layerName is what an engine calls a layer in its answer.
func layerName(diffID digest.Digest) string { return diffID.Encoded()[:12] }

// wants reports whether the layer of this name is still to come.
func (p *layerPush) wants(name string) bool {
	for d := range p.wanted {
		if layerName(d) == name {
			return true
		}
	}
	return false
}

// read reads what is uploaded: a layer, uncompressed into a temporary file, or
// the config, which it keeps. It returns no layer for the config, and for an
// unwanted layer, which it parks.
func (p *layerPush) read(ctx context.Context, u *loopback.Upload) (*rootfs.Layer, error) {
	body := bufio.NewReader(&idleReader{u, p.idle})
	magic, err := body.Peek(2)
	if err != nil {
		return nil, err
	}
	if gzipped := bytes.Equal(magic, []byte{0x1f, 0x8b}); !gzipped && p.filter == nil {
		if p.config, err = readConfig(body, p.image.id); err != nil {
			return nil, err
		}
		u.Accept()
		return nil, nil
	}
	if p.s.onUpload != nil {
		if err := p.s.onUpload(p.taken); err != nil {
			return nil, err
		}
	}
	zr, err := gzip.NewReader(body)
	if err != nil {
		return nil, err
	}
	layer, err := rootfs.Spool(ctx, &identifyingReader{r: zr, p: p, identified: p.filter == nil})
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

// An identifyingReader reads a layer and fails with errUnwanted as soon as the
// engine has named it and it is not wanted.
type identifyingReader struct {
	r          io.Reader
	p          *layerPush
	n          int64
	identified bool
}

func (r *identifyingReader) Read(b []byte) (int, error) {
	for f := r.p.filter; !r.identified; {
		select {
		case name := <-f.names:
			if f.identified[name] {
				continue // it was over before the engine named it
			}
			r.identified, f.identified[name] = true, true
			if !r.p.wants(name) {
				return 0, errUnwanted
			}
			continue
		default:
		}
		if r.n > maxUnidentified {
			return 0, errUnidentified
		}
		break
	}
	n, err := r.r.Read(b[:min(len(b), 64<<10)])
	r.n += int64(n)
	return n, err
}

// An idleTimer calls a function when the engine has handed over nothing for so
// long. It runs only while the engine is waited for, not the sink.
type idleTimer struct {
	after time.Duration
	t     *time.Timer
}

func newIdleTimer(after time.Duration, expired func()) *idleTimer {
	t := time.AfterFunc(after, expired)
	t.Stop()
	return &idleTimer{after, t}
}

func (i *idleTimer) start() { i.t.Reset(i.after) }
func (i *idleTimer) stop()  { i.t.Stop() }

// An idleReader runs an idleTimer while it reads.
type idleReader struct {
	r    io.Reader
	idle *idleTimer
}

func (r *idleReader) Read(p []byte) (int, error) {
	r.idle.start()
	defer r.idle.stop()
	return r.r.Read(p)
}
