package contentstore_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/imgsend/imgsend/engine/contentstore"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// labels keeps the labels of a containerd content store, which has them in its
// metadata database otherwise.
type labels struct {
	mu sync.Mutex
	of map[digest.Digest]map[string]string
}

func (l *labels) Get(d digest.Digest) (map[string]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.of[d]), nil
}

func (l *labels) Set(d digest.Digest, m map[string]string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of[d] = maps.Clone(m)
	return nil
}

func (l *labels) Update(d digest.Digest, m map[string]string) (map[string]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[d] == nil {
		l.of[d] = map[string]string{}
	}
	maps.Copy(l.of[d], m)
	return maps.Clone(l.of[d]), nil
}

func store(t *testing.T) content.Store {
	t.Helper()
	s, err := local.NewLabeledStore(t.TempDir(), &labels{of: map[digest.Digest]map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s content.Store, b []byte, labels map[string]string) digest.Digest {
	t.Helper()
	d := ocispec.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
	if err := content.WriteBlob(t.Context(), s, d.Digest.String(), bytes.NewReader(b), d, content.WithLabels(labels)); err != nil {
		t.Fatal(err)
	}
	return d.Digest
}

func list(t *testing.T, s content.Store) *contentstore.Listing {
	t.Helper()
	l, err := contentstore.List(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestReachable(t *testing.T) {
	s := store(t)
	layer := put(t, s, []byte("layer"), nil)
	config := put(t, s, []byte("{}"), nil)
	manifest := put(t, s, []byte(`{"m":1}`), map[string]string{"containerd.io/gc.ref.content.config": config.String(), "containerd.io/gc.ref.content.l.0": layer.String()})
	// As BuildKit labels it, with a reference to a blob that is not there.
	index := put(t, s, []byte(`{"i":1}`), map[string]string{"containerd.io/gc.ref.content.0": manifest.String(), "containerd.io/gc.ref.content.1": digest.FromString("absent").String()})
	stray := put(t, s, []byte("stray"), map[string]string{"containerd.io/gc.ref.snapshot.overlayfs": layer.String()})

	all := list(t, s)
	roots := []digest.Digest{digest.FromString("gone"), index}
	got := all.Reachable(roots...)
	if want := []digest.Digest{layer, config, manifest, index}; !same(got.Digests(), want) {
		t.Errorf("from the index: %v, not %v", got.Digests(), want)
	}
	if roots[1] != index {
		t.Error("the roots were changed")
	}
	if got := all.Reachable(stray).Digests(); !same(got, []digest.Digest{stray}) {
		t.Errorf("from the stray blob: %v", got)
	}
	if n := len(all.Digests()); n != 5 {
		t.Errorf("%d blobs in all", n)
	}
	if _, ok := got.Size(stray); ok {
		t.Error("a blob that nothing refers to counts")
	}
	if n, ok := got.Size(layer); !ok || n != 5 {
		t.Errorf("the layer has %d bytes, %v", n, ok)
	}
}

func same(a, b []digest.Digest) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func TestLayers(t *testing.T) {
	s := store(t)
	id, plain := digest.FromString("layer of two blobs"), []byte("uncompressed")
	gzipped := []byte{0x1f, 0x8b, 8, 1}
	a := put(t, s, gzipped, map[string]string{"containerd.io/uncompressed": id.String()})
	b := put(t, s, []byte{0x28, 0xb5, 0x2f, 0xfd, 2}, map[string]string{"containerd.io/uncompressed": id.String()})
	itself := put(t, s, plain, nil)
	// The uncompressed layer comes first where both are there.
	put(t, s, []byte{0x1f, 0x8b, 8, 3}, map[string]string{"containerd.io/uncompressed": itself.String()})

	got, err := list(t, s).Layers(t.Context(), []digest.Digest{id, itself, digest.FromString("absent")})
	if err != nil {
		t.Fatal(err)
	}
	if l := list(t, s); l.DiffID(a) != id || l.DiffID(itself) != "" || l.DiffID(digest.FromString("absent")) != "" {
		t.Errorf("%s unpacks to %s, %s to %s", a, l.DiffID(a), itself, l.DiffID(itself))
	}
	want := map[digest.Digest]ocispec.Descriptor{
		itself: {MediaType: ocispec.MediaTypeImageLayer, Digest: itself, Size: int64(len(plain))},
		id:     {MediaType: ocispec.MediaTypeImageLayerGzip, Digest: a, Size: int64(len(gzipped))},
	}
	if b < a {
		want[id] = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerZstd, Digest: b, Size: 5}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for id, d := range want {
		if g := got[id]; g.Digest != d.Digest || g.Size != d.Size || g.MediaType != d.MediaType {
			t.Errorf("%s is %+v, not %+v", id, g, d)
		}
	}
}

func TestOpen(t *testing.T) {
	s := store(t)
	for _, n := range []int{0, 1, 4<<20 - 1, 4 << 20, 4<<20 + 1} {
		blob := bytes.Repeat([]byte("abcde"), n/5+1)[:n]
		d := put(t, s, blob, nil)
		l := list(t, s)
		r, err := l.Open(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if n < 100 {
			err = iotest.TestReader(r, blob)
		} else {
			var got []byte
			if got, err = io.ReadAll(r); err == nil && !bytes.Equal(got, blob) {
				t.Errorf("%d bytes came out otherwise", n)
			}
		}
		if err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := list(t, s).Open(context.Background(), digest.FromString("absent")); err == nil {
		t.Error("an absent blob was opened")
	}
}
