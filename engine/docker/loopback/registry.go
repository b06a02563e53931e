package loopback

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"path"
	"regexp"
	"strconv"

	"github.com/opencontainers/go-digest"
)

// ErrClosed is returned by [Registry.Next] after the registry was closed.
var ErrClosed = errors.New("the registry is closed")

// An Upload is one layer on its way from the engine, compressed as the engine
// does it. Reads end when the registry is closed. An upload that the caller neither
// reads to its end nor accepts keeps waiting until then.
type Upload struct {
	body     io.Reader
	n        int64 // of body that was read
	accepted chan struct{}
}

func (u *Upload) Read(p []byte) (int, error) {
	n, err := u.body.Read(p)
	u.n += int64(n)
	return n, err
}

// Accept answers an upload that was read to its end. To be called once.
func (u *Upload) Accept() { close(u.accepted) }

// Next lets one more upload begin and returns it.
func (r *Registry) Next(ctx context.Context) (*Upload, error) {
	for begin := r.begin; ; {
		select {
		case begin <- struct{}{}:
			begin = nil
		case u := <-r.uploads:
			return u, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-r.life.Done():
			return nil, ErrClosed
		}
	}
}

var (
	apiPath    = regexp.MustCompile(`^/v2/?$`)
	blobPath   = regexp.MustCompile(`^/v2/[a-z0-9/._-]+/blobs/([a-z0-9]+:[a-f0-9]+)$`)
	uploadPath = regexp.MustCompile(`^/v2/[a-z0-9/._-]+/blobs/uploads/[0-9]*$`)
)

func (r *Registry) serve(w http.ResponseWriter, q *http.Request) {
	if !r.inside.enter() {
		return
	}
	defer r.inside.leave()
	if !r.admits(w, q) {
		return
	}
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	upload, blob := uploadPath.MatchString(q.URL.Path), blobPath.FindStringSubmatch(q.URL.Path)
	switch {
	case upload && q.Method == http.MethodPost:
		r.post(w, q)
	case upload && q.Method == http.MethodPatch:
		r.patch(w, q)
	case upload && q.Method == http.MethodPut:
		r.put(w, q)
	case blob != nil && q.Method == http.MethodHead:
		r.head(w, digest.Digest(blob[1]))
	case apiPath.MatchString(q.URL.Path):
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// admits answers 401 to whoever lacks the password.
func (r *Registry) admits(w http.ResponseWriter, q *http.Request) bool {
	name, password, _ := q.BasicAuth()
	if subtle.ConstantTimeCompare([]byte(name+":"+password), []byte(r.User+":"+r.Password)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="imgsend"`)
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	return true
}

// post answers the beginning of an upload when [Registry.Next] lets it begin.
func (r *Registry) post(w http.ResponseWriter, q *http.Request) {
	select {
	case <-r.begin:
	case <-q.Context().Done():
		return
	}
	r.mu.Lock()
	r.begun++
	id := strconv.Itoa(r.begun)
	r.mu.Unlock()
	w.Header().Set("Docker-Upload-UUID", id)
	w.Header().Set("Location", path.Join(q.URL.Path, id))
	w.WriteHeader(http.StatusAccepted)
}

// patch hands a layer over and answers when it has been accepted.
func (r *Registry) patch(w http.ResponseWriter, q *http.Request) {
	u := &Upload{body: q.Body, accepted: make(chan struct{})}
	select {
	case r.uploads <- u:
	case <-q.Context().Done():
		return
	}
	select {
	case <-u.accepted:
	case <-q.Context().Done():
		return
	}
	r.mu.Lock()
	r.size[q.URL.Path] = u.n
	r.mu.Unlock()
	w.Header().Set("Docker-Upload-UUID", path.Base(q.URL.Path))
	w.Header().Set("Location", q.URL.Path)
	w.Header().Set("Range", "0-"+strconv.FormatInt(max(u.n-1, 0), 10))
	w.WriteHeader(http.StatusAccepted)
}

// put notes the digest of an upload that is over. The engine remembers it.
func (r *Registry) put(w http.ResponseWriter, q *http.Request) {
	d := digest.Digest(q.URL.Query().Get("digest"))
	if d.Validate() != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.received[d] = r.size[q.URL.Path]
	r.mu.Unlock()
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Location", q.URL.Path)
	w.WriteHeader(http.StatusCreated)
}

// head says whether a blob is present or was uploaded, which Docker asks after
// each upload.
func (r *Registry) head(w http.ResponseWriter, d digest.Digest) {
	n, ok := r.present[d]
	if !ok {
		r.mu.Lock()
		n, ok = r.received[d]
		r.mu.Unlock()
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	w.WriteHeader(http.StatusOK)
}
