package docker_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestPodmanManifestList asks a Podman for a manifest list of two platforms, which its
// Docker API shows as the image for one: the other can be picked, and is mentioned.
func TestPodmanManifestList(t *testing.T) {
	amd64, arm64 := newFake(), newFake()
	amd64.podman = true
	amd64.here["ml:1"] = true
	arm64.config = []byte(strings.Replace(string(arm64.config), "amd64", "arm64", 1))
	listed := []ocispec.Descriptor{
		{Digest: digest.FromString("for amd64"), Platform: &ocispec.Platform{OS: "linux", Architecture: "amd64"}},
		{Digest: digest.FromString("for arm64"), Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := apiPath.ReplaceAllString(r.URL.Path, ""); {
		case path == "/libpod/manifests/ml:1/exists":
			w.WriteHeader(http.StatusNoContent)
		case path == "/libpod/manifests/ml:1/json":
			_ = json.NewEncoder(w).Encode(ocispec.Index{Manifests: listed})
		case strings.HasPrefix(path, "/libpod/"):
			http.Error(w, `{}`, http.StatusNotFound)
		case path == "/images/json":
			_ = json.NewEncoder(w).Encode([]image.Summary{{ID: arm64.id(), RepoDigests: []string{"localhost/y@" + listed[1].Digest.String()}}})
		case strings.HasSuffix(path, arm64.id()+"/json"):
			_ = json.NewEncoder(w).Encode(image.InspectResponse{ID: arm64.id(), Os: "linux", Architecture: "arm64", RootFS: image.RootFS{Layers: arm64.loaded}})
		default:
			amd64.ServeHTTP(w, r)
		}
	}))
	defer srv.Close()
	e, err := docker.Find(t.Context(), strings.Replace(srv.URL, "http://", "tcp://", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for want, id := range map[string]string{"": amd64.id(), "amd64": amd64.id(), "arm64": arm64.id(), "s390x": ""} {
		o := store.SourceOptions{}
		if want != "" {
			o.Platform = &ocispec.Platform{OS: "linux", Architecture: want}
		}
		src, err := docker.NewSource(t.Context(), e, []store.Request{{Image: "ml:1"}}, o)
		if id == "" {
			if transfer.KindOf(err) != transfer.KindUsage || hint(err) != "it is a manifest list of linux/amd64, linux/arm64/v8" {
				t.Errorf("%s: %v, hint %q", want, err, hint(err))
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		offer, err := src.Next(t.Context())
		if err != nil || len(offer.Images) != 1 || offer.Images[0].ID.String() != id || offer.Images[0].Name() != "ml:1" {
			t.Errorf("%q: %+v, %v", want, offer, err)
		}
		if notes := src.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "manifest list of linux/amd64, linux/arm64/v8") {
			t.Errorf("%q: notes %q", want, notes)
		}
		if err := src.Close(io.EOF); err != nil {
			t.Error(err)
		}
	}
}
