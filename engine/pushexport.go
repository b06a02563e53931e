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
	"sync"
	"time"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A receivingRegistry is a [claimingRegistry] that takes the blobs which are
// not to be dropped. An upload waits in its body until the exporter has
// answered it.
type receivingRegistry struct {
	*claimingRegistry
	uploads chan *upload
	over    <-chan struct{} // closed when nobody takes uploads any more

	docs map[digest.Digest][]byte // guarded by the claimingRegistry's mu

	haveMu sync.Mutex
	have   map[digest.Digest]bool // claimed
	put    map[digest.Digest]bool // took of the engine
}

// An upload is one blob on its way from the engine.
type upload struct {
	digest digest.Digest
	size   int64
	body   io.Reader
	ctx    context.Context // ends with the push
	done   chan error      // answered once; has room
}

func (g *receivingRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := registryPath.FindStringSubmatch(r.URL.Path)
	switch {
	case g.rootUpload(r):
		if g.admits(w, r) {
			g.keepDoc(w, r)
		}
	case uploadPath.MatchString(r.URL.Path) && r.Method == http.MethodPut:
		if g.admits(w, r) {
			g.upload(w, r)
		}
	case m != nil && m[1] == "blobs" && !g.claims(digest.Digest(m[2])):
		if g.admits(w, r) {
			w.WriteHeader(http.StatusNotFound)
		}
	case m != nil && m[1] == "manifests" && r.Method == http.MethodPut:
		if g.admits(w, r) {
			g.keepDoc(w, r)
		}
	default:
		g.claimingRegistry.ServeHTTP(w, r)
	}
}

func (g *receivingRegistry) keepDoc(w http.ResponseWriter, r *http.Request) {
	g.keep(w, r, func(d digest.Digest, b []byte) { g.docs[d] = b })
}

func (g *receivingRegistry) claims(d digest.Digest) bool {
	if d == g.own {
		return true
	}
	g.haveMu.Lock()
	defer g.haveMu.Unlock()
	return g.have[d]
}

func (g *receivingRegistry) took(d digest.Digest) {
	g.haveMu.Lock()
	defer g.haveMu.Unlock()
	g.have[d], g.put[d] = true, true
}

// upload passes a blob on. Only a containerd store's way of uploading is
// known: one PUT with the size and the digest of the blob (seen on 28.5.2).
func (g *receivingRegistry) upload(w http.ResponseWriter, r *http.Request) {
	d := digest.Digest(r.URL.Query().Get("digest"))
	if d.Validate() != nil || r.ContentLength < 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	u := &upload{digest: d, size: r.ContentLength, body: r.Body, ctx: r.Context(), done: make(chan error, 1)}
	select {
	case g.uploads <- u:
	case <-g.over:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	select {
	case err := <-u.done:
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
	case <-g.over:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Location", r.URL.Path)
	w.WriteHeader(http.StatusCreated)
}

// exportByPush has images pushed where that is faster, and returns those that
// are left to save. A push that fails between two blobs leaves its image to
// save; what went by is noted in drop, for no blob is put twice.
func (s *Source) exportByPush(ctx context.Context, take []*transfer.Image, p *transfer.Plan, drop map[digest.Digest]bool, w transfer.BlobWriter, out map[digest.Digest]transfer.IndexImage) ([]*transfer.Image, error) {
	var rest []*transfer.Image
	for _, m := range take {
		push, pushes, why := s.pushExport, true, s.e.store.String()
		if s.e.store != Containerd {
			push = s.pushLayers
			pushes, why = s.pushesLayers(m, p, drop)
		}
		if !pushes {
			s.report(m, "save", why)
			rest = append(rest, m)
			continue
		}
		x, err := push(ctx, m, drop, w)
		var sink *sinkError
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, failed("push "+m.Name(), ctx.Err())
		case errors.As(err, &sink):
			return nil, sink.err
		case err != nil:
			s.report(m, "save", "no push: "+cleanMessage(err.Error()))
			rest = append(rest, m)
		default:
			s.report(m, "push", why)
			out[m.ID] = *x
		}
	}
	return rest, nil
}

func (s *Source) report(m *transfer.Image, exporter, why string) {
	if s.OnExport != nil {
		s.OnExport(m, exporter, why)
	}
}

// pushExport has a containerd store push an image and puts its blobs into w as
// they come, one at a time, the lowest layer of those that wait first. It
// fails with a [sinkError] when the copy cannot go on; after any other failure
// the image can still be saved.
func (s *Source) pushExport(ctx context.Context, m *transfer.Image, drop map[digest.Digest]bool, w transfer.BlobWriter) (*transfer.IndexImage, error) {
	l, tree := s.found[m.ID], s.described[m.ID]
	if tree == nil {
		return nil, errors.New("its manifest is not known")
	}
	manifest := tree.Find(m.ID, m.Platform, len(m.Layers))
	root, ok := tree.Descriptor(m.ID)
	if manifest == nil || !ok {
		return nil, errors.New("its manifest is not known")
	}
	if s.putDocs == nil {
		s.putDocs = map[digest.Digest]bool{}
	}
	got, over := layout.NewDocuments(), make(chan struct{})
	reg := &receivingRegistry{uploads: make(chan *upload), over: over,
		have: map[digest.Digest]bool{}, put: map[digest.Digest]bool{}, docs: map[digest.Digest][]byte{}}
	for d := range drop {
		reg.have[d] = true
	}
	pushCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := newIdle(s.idleTime, func() { cancel(errIdle) })
	pushed, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		pushed <- s.e.pushTo(pushCtx, l, got, pushing{serve: func(c *claimingRegistry, _ string) http.Handler {
			reg.claimingRegistry = c
			return reg
		}})
	}()
	order := map[digest.Digest]int{}
	for i, d := range manifest.Layers {
		order[d.Digest] = i
	}
	err := s.takeUploads(ctx, m, reg, order, pushed, idle, w)
	close(over)
	if err != nil {
		cancel(nil)
	}
	<-ended // its name is removed
	for d := range reg.put {
		drop[d] = true
	}
	if err != nil {
		return nil, err
	}
	for _, d := range append([]ocispec.Descriptor{manifest.Config}, manifest.Layers...) {
		if !reg.claims(d.Digest) {
			return nil, fmt.Errorf("blob %s was not pushed", d.Digest)
		}
	}
	if reg.docs[m.ID] == nil {
		return nil, fmt.Errorf("another manifest than %s was pushed", m.ID)
	}
	for _, d := range got.Below(m.ID) {
		desc, ok := got.Descriptor(d)
		if !ok || s.putDocs[d] {
			continue
		}
		s.putDocs[d] = true
		b := reg.docs[d]
		if err := w.Put(ctx, desc, bytes.NewReader(b)); err != nil {
			return nil, &sinkError{err}
		}
	}
	return &transfer.IndexImage{ID: m.ID, Root: &root, Config: manifest.Config, Layers: manifest.Layers}, nil
}

// takeUploads puts what is uploaded into w until the push is over or a put
// fails.
func (s *Source) takeUploads(ctx context.Context, m *transfer.Image, reg *receivingRegistry, order map[digest.Digest]int, pushed <-chan error, idle *idle, w transfer.BlobWriter) error {
	var waiting []*upload
	place := func(u *upload) int {
		if i, ok := order[u.digest]; ok {
			return i
		}
		return len(order) // configs and attestations
	}
	for {
		if len(waiting) == 0 {
			idle.start()
			select {
			case u := <-reg.uploads:
				idle.stop()
				waiting = append(waiting, u)
			case err := <-pushed:
				if !idle.stop() && err != nil {
					return errIdle
				}
				return err
			}
		}
		for more := true; more; {
			select {
			case u := <-reg.uploads:
				waiting = append(waiting, u)
			default:
				more = false
			}
		}
		slices.SortStableFunc(waiting, func(a, b *upload) int { return place(a) - place(b) })
		u := waiting[0]
		waiting = waiting[1:]
		u.body = &idleReader{u.body, idle}
		if reg.claims(u.digest) { // a second upload of the same blob
			_, err := io.Copy(io.Discard, u.body)
			u.done <- err
			continue
		}
		var err error
		if s.onUpload != nil {
			err = s.onUpload(len(reg.put))
		}
		if err == nil {
			err = putUpload(ctx, u, "push "+m.Name(), w)
		}
		if err == nil {
			reg.took(u.digest)
		}
		u.done <- err
		var sink *sinkError
		if errors.As(err, &sink) {
			return err
		}
	}
}

// putUpload puts one uploaded blob. Once it has begun, its failure is that of
// the copy, a [sinkError]: the sink has a part of the blob. Before, the push has
// failed, and says so itself.
func putUpload(ctx context.Context, u *upload, op string, w transfer.BlobWriter) error {
	br := bufio.NewReaderSize(&saveBody{u.body, op}, 64<<10)
	head, err := br.Peek(int(min(u.size, 4)))
	if err != nil {
		return err
	}
	if err := u.ctx.Err(); err != nil {
		return err
	}
	if err := w.Put(ctx, ocispec.Descriptor{MediaType: layout.Sniff(head), Digest: u.digest, Size: u.size}, br); err != nil {
		return &sinkError{err}
	}
	return nil
}

// pushIdle is how long an engine may hand over nothing while it is waited for.
const pushIdle = 30 * time.Second

var errIdle = errors.New("the engine hands over nothing")

// An idle ends what an engine does not go on with. It counts only while the
// engine is waited for, not the sink.
type idle struct {
	after time.Duration
	t     *time.Timer
}

func newIdle(after time.Duration, end func()) *idle {
	t := time.AfterFunc(after, end)
	t.Stop()
	return &idle{after, t}
}

func (i *idle) start()     { i.t.Reset(i.after) }
func (i *idle) stop() bool { return i.t.Stop() }

// An idleReader is idle while it reads.
type idleReader struct {
	r    io.Reader
	idle *idle
}

func (r *idleReader) Read(p []byte) (int, error) {
	r.idle.start()
	defer r.idle.stop()
	return r.r.Read(p)
}
