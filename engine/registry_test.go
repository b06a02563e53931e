package engine

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/opencontainers/go-digest"
)

// TestRegistryStrangers asks for everything that the registry does, without
// its credential and with a wrong one.
func TestRegistryStrangers(t *testing.T) {
	d := digest.FromString("x").String()
	g := &receivingRegistry{claimingRegistry: &claimingRegistry{got: layout.NewDocuments(), user: "imgsend", password: "right", root: digest.Digest(d)},
		have: map[digest.Digest]bool{digest.Digest(d): true}, docs: map[digest.Digest][]byte{}}
	for _, path := range []string{"/v2/", "/", "/v2/a/blobs/" + d, "/v2/a/blobs/sha256:0", "/v2/a/manifests/t", "/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/b?digest=" + d} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch} {
			for _, password := range []string{"", "wrong"} {
				r := httptest.NewRequest(method, path, nil)
				if password != "" {
					r.SetBasicAuth("imgsend", password)
				}
				w := httptest.NewRecorder()
				g.ServeHTTP(w, r)
				if w.Code != http.StatusUnauthorized {
					t.Errorf("%s %s: %d", method, path, w.Code)
				}
			}
		}
	}
}
