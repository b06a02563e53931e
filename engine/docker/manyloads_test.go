package docker

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// slowLoads is an engine that takes its time for each load, and may fail it.
type slowLoads struct {
	takes  time.Duration
	listed []string                  // IDs
	fail   func(ocispec.Image) error // called at the end of a load

	mu   sync.Mutex
	open int // loads
	most int // of them at once
	here map[string]image.InspectResponse
}

func (s *slowLoads) RoundTrip(r *http.Request) (*http.Response, error) {
	_, path, _ := strings.Cut(r.URL.Path, "/images/")
	status, body := http.StatusOK, []byte("[]")
	switch {
	case path == "load":
		s.count(1)
		defer s.count(-1)
		configs, err := loadedConfigs(r.Body)
		if err != nil {
			return nil, err
		}
		time.Sleep(s.takes)
		body = []byte(`{"stream":"Loaded image"}`)
		for id, config := range configs {
			if s.fail != nil && s.fail(config) != nil {
				body = fmt.Appendf(nil, `{"error":%q}`, s.fail(config))
				break
			}
			s.add(id.String(), inspected(id, config.RootFS.DiffIDs))
		}
	case path == "json":
		list := []image.Summary{}
		for _, id := range s.listed {
			list = append(list, image.Summary{ID: id})
		}
		body, _ = json.Marshal(list)
	case strings.HasSuffix(path, "/tag"):
		in, _ := s.get(strings.TrimSuffix(path, "/tag"))
		s.add(strings.TrimPrefix(r.URL.Query().Get("repo"), "docker.io/library/")+":"+r.URL.Query().Get("tag"), in)
		status = http.StatusCreated
	case strings.HasSuffix(path, "/json"):
		in, ok := s.get(strings.TrimSuffix(path, "/json"))
		if !ok {
			status, body = http.StatusNotFound, []byte(`{"message":"no such image"}`)
			break
		}
		body, _ = json.Marshal(in)
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(string(body))), Header: http.Header{}, Request: r}, nil
}

func (s *slowLoads) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
	s.most = max(s.most, s.open)
}

func (s *slowLoads) add(name string, in image.InspectResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.here[name] = in
}

func (s *slowLoads) get(name string) (image.InspectResponse, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, ok := s.here[name]
	return in, ok
}

// loadedConfigs reads the configs of the images of an archive.
func loadedConfigs(r io.Reader) (map[digest.Digest]ocispec.Image, error) {
	files := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			return nil, err
		}
	}
	var list []struct{ Config string }
	if err := json.Unmarshal(files["manifest.json"], &list); err != nil {
		return nil, err
	}
	out := map[digest.Digest]ocispec.Image{}
	for _, m := range list {
		var config ocispec.Image
		if err := json.Unmarshal(files[m.Config], &config); err != nil {
			return nil, err
		}
		out[digest.FromBytes(files[m.Config])] = config
	}
	return out, nil
}

func inspected(id digest.Digest, diffIDs []digest.Digest) image.InspectResponse {
	in := image.InspectResponse{ID: id.String(), Os: "linux", Architecture: "amd64"}
	for _, d := range diffIDs {
		in.RootFS.Layers = append(in.RootFS.Layers, d.String())
	}
	return in
}

func (s *slowLoads) sink(t testing.TB, kind Kind) *Sink {
	t.Helper()
	if s.here == nil {
		s.here = map[string]image.InspectResponse{}
	}
	api, err := client.NewClientWithOpts(client.WithHost("tcp://engine:1"), client.WithHTTPClient(&http.Client{Transport: s}), client.WithVersion("1.47"))
	if err != nil {
		t.Fatal(err)
	}
	e := &Engine{api: api, store: kind, properties: kinds[kind], version: "1.47", name: "Engine 5.0"}
	return NewSink(e)
}

// tinyImages returns images of one layer each.
func tinyImages(n int) []*transfertest.Image {
	var out []*transfertest.Image
	for i := range n {
		out = append(out, realImage(fmt.Sprintf("tiny:%d", i), transfertest.Random(uint64(i), 20_000)))
	}
	return out
}

// realImage returns an image with a real config.
func realImage(ref string, layers ...[]byte) *transfertest.Image {
	m := transfertest.NewImage(ref, false, layers...)
	config, _ := json.Marshal(ocispec.Image{RootFS: ocispec.RootFS{Type: "layers", DiffIDs: m.DiffIDs()}})
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))}
	m.Blobs[d.Digest], m.Index.Config = config, d
	m.ID, m.Config, m.Index.ID = d.Digest, d.Digest, d.Digest
	return m
}

// TestManyLoads sends more images than may be loaded at once to an engine that takes one
// image a load, and longer for it than they take to come.
func TestManyLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const images = 40
		s := &slowLoads{takes: time.Hour}
		rep, err := transfer.Copy(t.Context(), transfertest.NewSource(tinyImages(images)...), s.sink(t, Podman), transfer.Options{Patience: transfer.Patience{Bytes: 2 * time.Hour, Work: images * 2 * time.Hour}})
		if err != nil || rep.Images != images {
			t.Fatalf("%d images, %v", rep.Images, err)
		}
		if s.most != mostLoads {
			t.Errorf("%d loads were open at once", s.most)
		}
	})
}

// TestManyUnknownLayers offers many images without the digests of their layers: each blob
// would have to go into the loads of all.
func TestManyUnknownLayers(t *testing.T) {
	images := tinyImages(mostLoads + 1)
	for _, m := range images {
		m.Layers[0].Digest = ""
	}
	s := &slowLoads{}
	_, err := transfer.Copy(t.Context(), transfertest.NewSource(images...), s.sink(t, Podman), transfer.Options{})
	if transfer.KindOf(err) != transfer.KindRefused || !strings.Contains(err.Error(), "33 images whose layers the sender cannot tell") || s.most > 0 {
		t.Errorf("%d loads, %v", s.most, err)
	}
}
