package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/imgsend/imgsend/engine/contentstore"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// memoryStore is a content store in memory that can be read.
type memoryStore struct {
	content.Store
	info  map[digest.Digest]content.Info
	blobs map[digest.Digest][]byte
}

func (s *memoryStore) put(v any, refs ...digest.Digest) ocispec.Descriptor {
	b, _ := json.Marshal(v)
	d := ocispec.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
	labels := map[string]string{}
	for i, ref := range refs {
		labels[fmt.Sprintf("containerd.io/gc.ref.content.%d", i)] = ref.String()
	}
	s.blobs[d.Digest], s.info[d.Digest] = b, content.Info{Digest: d.Digest, Size: d.Size, Labels: labels}
	return d
}

func (s *memoryStore) Walk(_ context.Context, fn content.WalkFunc, _ ...string) error {
	for _, i := range s.info {
		if err := fn(i); err != nil {
			return err
		}
	}
	return nil
}

type memoryBlob struct{ *bytes.Reader }

func (memoryBlob) Close() error { return nil }

func (s *memoryStore) ReaderAt(_ context.Context, d ocispec.Descriptor) (content.ReaderAt, error) {
	b, ok := s.blobs[d.Digest]
	if !ok {
		return nil, errdefs.ErrNotFound
	}
	return memoryBlob{bytes.NewReader(b)}, nil
}

// storedImages returns what a containerd store has of n images, and these as a store
// without manifests offers them.
func storedImages(t testing.TB, n int) (*imageContent, []transfer.Image) {
	t.Helper()
	s := &memoryStore{info: map[digest.Digest]content.Info{}, blobs: map[digest.Digest][]byte{}}
	var roots []digest.Digest
	var offered []transfer.Image
	for i := range n {
		layer := s.put(fmt.Sprintf("layer %d", i))
		layer.MediaType = ocispec.MediaTypeImageLayer
		config := s.put(ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}}})
		config.MediaType = ocispec.MediaTypeImageConfig
		m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer}}
		m.SchemaVersion = 2
		roots = append(roots, s.put(m, config.Digest, layer.Digest).Digest)
		offered = append(offered, transfer.Image{ID: config.Digest, Config: config.Digest, Layers: []transfer.Layer{{DiffID: layer.Digest}}})
	}
	all, err := contentstore.List(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return &imageContent{Listing: all, roots: roots}, offered
}

// TestFindByConfig finds images by their configs, and none that is only alike.
func TestFindByConfig(t *testing.T) {
	c, offered := storedImages(t, 3)
	for i := range offered {
		if got := c.find(t.Context(), &offered[i]); got != c.roots[i] {
			t.Errorf("image %d is %q, not %s", i, got, c.roots[i])
		}
	}
	other := offered[0]
	other.Layers = offered[1].Layers
	if got := c.find(t.Context(), &other); got != "" {
		t.Errorf("found %s", got)
	}
}

// BenchmarkFindMany looks for 2,000 images in a containerd store that has them.
func BenchmarkFindMany(b *testing.B) {
	for b.Loop() {
		c, offered := storedImages(b, 2000)
		for i := range offered {
			if c.find(b.Context(), &offered[i]) == "" {
				b.Fatal("not found")
			}
		}
	}
}

// BenchmarkManyImages sends 2,000 images to an engine that takes one a load.
func BenchmarkManyImages(b *testing.B) {
	images := tinyImages(2000)
	for b.Loop() {
		s := &slowLoads{}
		if _, err := transfer.Copy(b.Context(), transfertest.NewSource(images...), s.sink(b, Podman), transfer.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
