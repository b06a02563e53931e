package engine

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/opencontainers/go-digest"
)

// FuzzRegistry asks a registry whatever an engine could, with the credential:
// it must neither panic nor hand over an upload that it cannot name.
func FuzzRegistry(f *testing.F) {
	const body = "{}"
	d := digest.FromString(body).String()
	seeds := []struct {
		method, path, query, body string
		code                      int
	}{
		{http.MethodGet, "/v2/", "", "", http.StatusOK},
		{http.MethodHead, "/v2/a/blobs/" + d, "", "", http.StatusNotFound},
		{http.MethodPost, "/v2/a/blobs/uploads/", "", "", http.StatusAccepted},
		{http.MethodPut, "/v2/a/blobs/uploads/blob", "digest=" + d, body, http.StatusCreated},
		{http.MethodPut, "/v2/a/blobs/uploads/blob", "digest=sha256:0", body, http.StatusBadRequest},
		{http.MethodPut, "/v2/a/manifests/t", "", body, http.StatusCreated},
		{http.MethodPut, "/v2/a/manifests/t", "", "[", http.StatusBadRequest},
		{http.MethodGet, "/v2/../x", "", "", http.StatusNotFound},
	}
	for _, s := range seeds {
		// Seeds that are not understood would seed nothing.
		if code := ask(f, s.method, s.path, s.query, s.body); code != s.code {
			f.Fatalf("%s %s is answered %d, not %d", s.method, s.path, code, s.code)
		}
		f.Add(s.method, s.path, s.query, s.body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) { ask(t, method, path, query, body) })
}

// ask returns the status of a registry's answer.
func ask(t testing.TB, method, path, query, body string) int {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan struct{})
	g := &receivingRegistry{
		claimingRegistry: &claimingRegistry{got: layout.NewDocuments(), user: "imgsend", password: "right"},
		uploads:          make(chan *upload), over: over,
		have: map[digest.Digest]bool{}, put: map[digest.Digest]bool{}, docs: map[digest.Digest][]byte{},
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", strings.NewReader(body))
	r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
	r.SetBasicAuth("imgsend", "right")
	w := httptest.NewRecorder()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		g.ServeHTTP(w, r)
	}()
	for {
		select {
		case u := <-g.uploads:
			if err := u.digest.Validate(); err != nil {
				t.Error(err)
			}
			_, err := io.Copy(io.Discard, u.body)
			u.done <- err
		case <-answered:
			return w.Code
		}
	}
}
