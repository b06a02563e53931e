package engine

import (
	"io"
	"net/http"
	"path"
	"strconv"
	"sync"

	"github.com/opencontainers/go-digest"
)

// A layerRegistry takes layers of unknown digest, one at a time: each waits
// before its upload until it may start, and in its body until it is answered.
type layerRegistry struct {
	*claimingRegistry
	start   chan struct{}
	uploads chan *layerUpload
	over    <-chan struct{} // closed when nobody takes uploads any more

	claimed map[digest.Digest]int64 // sizes of blobs that it has from the start

	mu    sync.Mutex
	begun int                     // uploads
	size  map[string]int64        // of uploads, packed, by path
	put   map[digest.Digest]int64 // sizes of what was taken
}

// A layerUpload is one layer on its way from the engine.
type layerUpload struct {
	body io.Reader
	n    int64 // of body that was read
	done chan struct{}
}

func (u *layerUpload) Read(p []byte) (int, error) {
	n, err := u.body.Read(p)
	u.n += int64(n)
	return n, err
}

func (g *layerRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.admits(w, r) {
		return
	}
	upload := uploadPath.MatchString(r.URL.Path)
	m := registryPath.FindStringSubmatch(r.URL.Path)
	switch {
	case upload && r.Method == http.MethodPost:
		g.begin(w, r)
	case upload && r.Method == http.MethodPatch:
		g.upload(w, r)
	case upload && r.Method == http.MethodPut:
		g.end(w, r)
	case m != nil && m[1] == "blobs" && r.Method == http.MethodHead:
		g.stat(w, digest.Digest(m[2]))
	case m != nil && m[1] == "":
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// await waits for c and reports whether it came before the end of the push.
func (g *layerRegistry) await(w http.ResponseWriter, r *http.Request, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-g.over:
		w.WriteHeader(http.StatusServiceUnavailable)
	case <-r.Context().Done(): // ends with the push
	}
	return false
}

// begin lets an upload start.
func (g *layerRegistry) begin(w http.ResponseWriter, r *http.Request) {
	if !g.await(w, r, g.start) {
		return
	}
	g.mu.Lock()
	g.begun++
	id := strconv.Itoa(g.begun)
	g.mu.Unlock()
	w.Header().Set("Docker-Upload-UUID", id)
	w.Header().Set("Location", r.URL.Path+id)
	w.WriteHeader(http.StatusAccepted)
}

// upload passes a layer on.
func (g *layerRegistry) upload(w http.ResponseWriter, r *http.Request) {
	u := &layerUpload{body: r.Body, done: make(chan struct{})}
	select {
	case g.uploads <- u:
	case <-g.over:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case <-r.Context().Done(): // of the push
		return
	}
	if !g.await(w, r, u.done) {
		return
	}
	g.mu.Lock()
	g.size[r.URL.Path] = u.n
	g.mu.Unlock()
	w.Header().Set("Docker-Upload-UUID", path.Base(r.URL.Path))
	w.Header().Set("Location", r.URL.Path)
	w.Header().Set("Range", "0-"+strconv.FormatInt(max(u.n-1, 0), 10))
	w.WriteHeader(http.StatusAccepted)
}

// end takes the digest of an upload that is over. The engine keeps it and may
// push that layer by it another time.
func (g *layerRegistry) end(w http.ResponseWriter, r *http.Request) {
	d := digest.Digest(r.URL.Query().Get("digest"))
	if d.Validate() != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	g.put[d] = g.size[r.URL.Path]
	g.mu.Unlock()
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Location", r.URL.Path)
	w.WriteHeader(http.StatusCreated)
}

// stat says whether a blob is here or was taken, as Docker asks at its end.
func (g *layerRegistry) stat(w http.ResponseWriter, d digest.Digest) {
	n, ok := g.claimed[d]
	if !ok {
		g.mu.Lock()
		n, ok = g.put[d]
		g.mu.Unlock()
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	w.WriteHeader(http.StatusOK)
}
