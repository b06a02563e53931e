package engine

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/opencontainers/go-digest"
)

// FuzzRegistry asks the registries whatever an engine could, with the credential:
// it must neither panic nor hand over an upload that it cannot name.
func FuzzRegistry(f *testing.F) {
	const body = "{}"
	d := digest.FromString(body).String()
	seeds := []struct {
		method, path, query, body string
		code, layers              int // of the one for blobs and of the one for layers
	}{
		{http.MethodGet, "/v2/", "", "", http.StatusOK, http.StatusOK},
		{http.MethodHead, "/v2/a/blobs/" + d, "", "", http.StatusNotFound, http.StatusNotFound},
		{http.MethodPost, "/v2/a/blobs/uploads/", "", "", http.StatusAccepted, http.StatusAccepted},
		{http.MethodPatch, "/v2/a/blobs/uploads/1", "", body, http.StatusNotFound, http.StatusAccepted},
		{http.MethodPut, "/v2/a/blobs/uploads/blob", "digest=" + d, body, http.StatusCreated, http.StatusCreated},
		{http.MethodPut, "/v2/a/blobs/uploads/blob", "digest=sha256:0", body, http.StatusBadRequest, http.StatusBadRequest},
		{http.MethodPut, "/v2/a/manifests/t", "", body, http.StatusCreated, http.StatusNotFound},
		{http.MethodPut, "/v2/a/manifests/t", "", "[", http.StatusBadRequest, http.StatusNotFound},
		{http.MethodGet, "/v2/../x", "", "", http.StatusNotFound, http.StatusNotFound},
	}
	for _, s := range seeds {
		// Seeds that are not understood would seed nothing.
		if code, layers := ask(f, s.method, s.path, s.query, s.body); code != s.code || layers != s.layers {
			f.Fatalf("%s %s is answered %d and %d, not %d and %d", s.method, s.path, code, layers, s.code, s.layers)
		}
		f.Add(s.method, s.path, s.query, s.body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) { ask(t, method, path, query, body) })
}

// ask returns the statuses of the registries' answers.
func ask(t testing.TB, method, path, query, body string) (blobs, layers int) {
	claims := &claimingRegistry{got: layout.NewDocuments(), user: "imgsend", password: "right"}
	over := make(chan struct{})
	g := &receivingRegistry{claimingRegistry: claims, uploads: make(chan *upload), over: over,
		have: map[digest.Digest]bool{}, put: map[digest.Digest]bool{}, docs: map[digest.Digest][]byte{}}
	l := &layerRegistry{claimingRegistry: claims, start: make(chan struct{}), uploads: make(chan *layerUpload), over: over,
		size: map[string]int64{}, put: map[digest.Digest]int64{}}
	for h, code := range map[http.Handler]*int{g: &blobs, l: &layers} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		r.SetBasicAuth("imgsend", "right")
		w := httptest.NewRecorder()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			h.ServeHTTP(w, r)
		}()
		for done := false; !done; {
			select {
			case u := <-g.uploads:
				if err := u.digest.Validate(); err != nil {
					t.Error(err)
				}
				_, err := io.Copy(io.Discard, u.body)
				u.done <- err
			case l.start <- struct{}{}:
			case u := <-l.uploads:
				if _, err := io.Copy(io.Discard, u); err != nil {
					t.Error(err)
				}
				close(u.done)
			case <-answered:
				done = true
			}
		}
		*code = w.Code
	}
	return blobs, layers
}
