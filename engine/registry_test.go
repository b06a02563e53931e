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
	claims := &claimingRegistry{got: layout.NewDocuments(), user: "imgsend", password: "right", root: digest.Digest(d)}
	for _, g := range []http.Handler{claims,
		&receivingRegistry{claimingRegistry: claims, have: map[digest.Digest]bool{digest.Digest(d): true}, docs: map[digest.Digest][]byte{}},
		&layerRegistry{claimingRegistry: claims, put: map[digest.Digest]int64{digest.Digest(d): 1}},
	} {
		strangers(t, g, d)
	}
}

func strangers(t *testing.T, g http.Handler, d string) {
	t.Helper()
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
					t.Errorf("%T: %s %s: %d", g, method, path, w.Code)
				}
			}
		}
	}
}
