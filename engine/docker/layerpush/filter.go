package layerpush

import (
	"errors"
	"io"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// maxUnidentified is how much of a layer may come before the engine has named it, in
// uncompressed bytes.
const maxUnidentified = 64 << 20

var (
	errUnwanted     = errors.New("the layer is not wanted")
	errUnidentified = errors.New("the engine does not say which layer it pushes")
)

// A filter tells which layer an upload is, from what the engine says
// meanwhile.
type filter struct {
	began      map[string]bool // names that said has seen; used by said alone
	names      chan string     // of layers that the engine has begun to push
	identified map[string]bool // names whose upload is known
}

func newFilter() *filter {
	return &filter{began: map[string]bool{}, names: make(chan string, transfer.MaxLayers), identified: map[string]bool{}}
}

// said notes which layers the engine has begun to push.
func (f *filter) said(layer, status string) {
	if status != "Pushing" || f.began[layer] || len(f.began) == cap(f.names) {
		return
	}
	f.began[layer] = true
	f.names <- layer
}

// layerName is what an engine calls a layer in its answer.
func layerName(diffID digest.Digest) string { return diffID.Encoded()[:12] }

// wants reports whether the layer of this name is still to come.
func (p *Push) wants(name string) bool {
	for d := range p.Wanted {
		if layerName(d) == name {
			return true
		}
	}
	return false
}

// An identifyingReader reads a layer and fails with errUnwanted as soon as the
// engine has named it and it is not wanted.
type identifyingReader struct {
	r          io.Reader
	p          *Push
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
