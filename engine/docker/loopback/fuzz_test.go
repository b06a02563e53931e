package loopback

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// FuzzRegistry asks a registry whatever an engine could, with its password.
func FuzzRegistry(f *testing.F) {
	const body = "{}"
	d := digest.FromString(body).String()
	for _, s := range []struct {
		method, path, query, body string
		code                      int
	}{
		{http.MethodGet, "/v2/", "", "", http.StatusOK},
		{http.MethodHead, "/v2/a/blobs/" + d, "", "", http.StatusNotFound},
		{http.MethodPost, "/v2/a/blobs/uploads/", "", "", http.StatusAccepted},
		{http.MethodPatch, "/v2/a/blobs/uploads/1", "", body, http.StatusAccepted},
		{http.MethodPut, "/v2/a/blobs/uploads/1", "digest=" + d, body, http.StatusCreated},
		{http.MethodPut, "/v2/a/blobs/uploads/1", "digest=sha256:0", body, http.StatusBadRequest},
		{http.MethodPut, "/v2/a/manifests/t", "", body, http.StatusNotFound},
		{http.MethodGet, "/v2/../x", "", "", http.StatusNotFound},
	} {
		// Seeds that are not understood would seed nothing.
		if code := answer(f, s.method, s.path, s.query, s.body); code != s.code {
			f.Fatalf("%s %s is answered %d, not %d", s.method, s.path, code, s.code)
		}
		f.Add(s.method, s.path, s.query, s.body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if code := answer(t, method, path, query, body); code < 200 || code > 599 {
			t.Errorf("status %d", code)
		}
	})
}

func answer(t testing.TB, method, path, query, body string) int {
	r := &Registry{User: user, Password: "right", begin: make(chan struct{}), uploads: make(chan *Upload),
		size: map[string]int64{}, received: map[digest.Digest]int64{}}
	q := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", strings.NewReader(body))
	q.Method, q.URL.Path, q.URL.RawQuery = method, path, query
	q.SetBasicAuth(r.User, r.Password)
	w, answered := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(answered)
		r.serve(w, q)
	}()
	for {
		select {
		case r.begin <- struct{}{}:
		case u := <-r.uploads:
			if _, err := io.Copy(io.Discard, u); err != nil {
				t.Error(err)
			}
			u.Accept()
		case <-answered:
			return w.Code
		}
	}
}
