package docker_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestZstd sends a layer in zstd to engines that read it, as it is, and to those that
// do not, decompressed.
func TestZstd(t *testing.T) {
	for api, plain := range map[string]bool{"1.41": true, "1.42": false} {
		for _, media := range []string{ocispec.MediaTypeImageLayerZstd, ocispec.MediaTypeImageLayerGzip} {
			sendZstd(t, api, media, plain)
		}
	}
}

func sendZstd(t *testing.T, api, media string, plain bool) {
	t.Helper()
	f := newFake()
	f.api = api
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := z.EncodeAll(f.layer, nil)
	diffID, blob := digest.FromBytes(f.layer), digest.FromBytes(packed)
	id := digest.Digest(f.id())
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: id, Size: int64(len(f.config))}
	layer := ocispec.Descriptor{MediaType: media, Digest: blob, Size: int64(len(packed))}
	s := docker.NewSink(f.open(t))
	t.Cleanup(func() { s.Close(nil) })
	o := &transfer.Offer{Images: []transfer.Image{{ID: id, Config: id, Layers: []transfer.Layer{{DiffID: diffID, Digest: blob, Size: layer.Size}}}}}
	if _, err := s.Plan(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if plain { // cut short it is refused, and not kept
		if err := s.Put(t.Context(), layer, bytes.NewReader(packed[:len(packed)/2])); transfer.KindOf(err) != transfer.KindBroken {
			t.Errorf("cut short: %v", err)
		}
	}
	for _, b := range []struct {
		d ocispec.Descriptor
		b []byte
	}{{layer, packed}, {config, f.config}} {
		if err := s.Put(t.Context(), b.d, bytes.NewReader(b.b)); err != nil {
			t.Fatalf("API %s: %v", api, err)
		}
	}
	if _, err := s.Commit(t.Context(), &transfer.Index{Images: []transfer.IndexImage{{ID: id, Config: config, Layers: []ocispec.Descriptor{layer}}}}); err != nil {
		t.Fatalf("API %s: %v", api, err)
	}
	want := blob
	if plain {
		want = diffID
	}
	if n := bytes.Count(f.archived, []byte(layout.BlobPath(want))); n != 2 { // the member, and in manifest.json
		t.Errorf("API %s: %s is %d times in the archive", api, want, n)
	}
}

// TestOtherDigests plans for images with blobs by SHA-512. Engines load them as if they
// were by SHA-256; of layers only a containerd store depends on it.
func TestOtherDigests(t *testing.T) {
	sha512 := digest.SHA512.FromString("x")
	for store, set := range map[string]func(*fakeEngine){"classic": func(*fakeEngine) {}, "Podman": func(f *fakeEngine) { f.podman = true }, "containerd": func(f *fakeEngine) { f.containerd = true }} {
		f := newFake()
		set(f)
		m := transfer.Image{ID: digest.FromString("id"), Config: sha512, Layers: []transfer.Layer{{DiffID: digest.FromString("diff"), Digest: sha512, Size: 5}}}
		_, err := docker.NewSink(f.open(t)).Plan(t.Context(), &transfer.Offer{Images: []transfer.Image{m}})
		if transfer.KindOf(err) != transfer.KindRefused || !strings.Contains(err.Error(), "has blobs by sha512") {
			t.Errorf("%s, config: %v", store, err)
		}
		m.Config = digest.FromString("config")
		s := docker.NewSink(f.open(t))
		if _, err := s.Plan(t.Context(), &transfer.Offer{Images: []transfer.Image{m}}); (err != nil) != f.containerd {
			t.Errorf("%s, layer: %v", store, err)
		}
		s.Close(nil)
	}
}

// TestPodmanCannotList plans for a Podman that cannot list its images: of what it has
// nothing is known. Of Docker it is an error.
func TestPodmanCannotList(t *testing.T) {
	for _, podman := range []bool{true, false} {
		f := newFake()
		f.podman, f.listFail = podman, true
		layer := digest.FromBytes(f.layer)
		o := &transfer.Offer{Images: []transfer.Image{{ID: digest.Digest(f.id()), Config: digest.Digest(f.id()), Layers: []transfer.Layer{{DiffID: layer, Digest: layer, Size: 5}}}}}
		p, err := docker.NewSink(f.open(t)).Plan(t.Context(), o)
		if podman && (err != nil || p.Images[0].Status != transfer.Take || p.Images[0].Have[0]) {
			t.Errorf("Podman: %+v, %v", p, err)
		}
		if !podman && transfer.KindOf(err) != transfer.KindEngine {
			t.Errorf("Docker: %+v, %v", p, err)
		}
	}
}

// TestNoLayers sends an image without layers, whose config is all that there is.
func TestNoLayers(t *testing.T) {
	fewPairs(t, func(t *testing.T, from, to throwaway.Spec) {
		a, b := pool.Get(t, from, "sender"), pool.Get(t, to, "receiver")
		m, _ := versions("nolayers" + from.Name + to.Name)
		m.Layers, m.Env = nil, []string{"OF=" + m.Ref}
		load(t, a, m)
		_, arrivals := copyImages(t, a, b, m.Ref)
		check(t, b, m, arrivals)
	})
}

// TestAmbiguousID asks for the start of two images' IDs.
func TestAmbiguousID(t *testing.T) {
	f := newFake()
	f.ids = []string{"sha256:abcdef01" + strings.Repeat("0", 56), "sha256:abcdef02" + strings.Repeat("0", 56)}
	for asked, kind := range map[string]transfer.Kind{"abcdef": transfer.KindUsage, "sha256:abcdef0": transfer.KindUsage, "abcdef1": transfer.KindEngine} {
		_, err := docker.NewSource(t.Context(), f.open(t), []store.Request{{Image: asked}}, store.SourceOptions{})
		if transfer.KindOf(err) != kind || kind == transfer.KindUsage && !strings.Contains(err.Error(), "the start of 2 images' IDs") {
			t.Errorf("%s: %v", asked, err)
		}
	}
}
