package catalog_test

import (
	"context"
	"errors"
	"testing"

	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A finder is a memory that knows layers by their content, and finishes images.
type finder struct {
	*memory
	layers   map[digest.Digest]ocispec.Descriptor
	finished []digest.Digest
	broken   error // of Finish
}

func (f *finder) Layers(_ context.Context, diffIDs []digest.Digest) (map[digest.Digest]ocispec.Descriptor, error) {
	out := map[digest.Digest]ocispec.Descriptor{}
	for _, id := range diffIDs {
		if d, ok := f.layers[id]; ok {
			out[id] = d
		}
	}
	return out, nil
}

func (f *finder) Finish(_ context.Context, _ *transfer.Image, root ocispec.Descriptor) error {
	f.finished = append(f.finished, root.Digest)
	return f.broken
}

// TestFinder takes in an image without a manifest, one layer of which is there under
// another digest, and images that cannot be finished.
func TestFinder(t *testing.T) {
	packed := []byte("what stands for the first layer")
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromBytes(packed), Size: int64(len(packed))}
	m := image("webapp:1.0", 1, 2)
	f := &finder{memory: &memory{blobs: map[digest.Digest][]byte{d.Digest: packed}}, layers: map[digest.Digest]ocispec.Descriptor{digest.Digest(m.DiffIDs()[0]): d}}
	rep, err := transfer.Copy(t.Context(), newBare(t, m), catalog.NewSink(f), transfer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Layers[1].TarSize(); rep.Bytes < n || rep.Bytes > n+4096 {
		t.Errorf("took %d bytes, the second layer has %d", rep.Bytes, n)
	}
	if len(f.finished) != 1 || len(f.list) != 1 || f.list[0].Root.Digest != f.finished[0] {
		t.Errorf("finished %v, listed %v", f.finished, f.list)
	}
	got, err := catalog.NewSource(t.Context(), f, f.list, "memory", []store.Request{{Image: "webapp:1.0"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l := got.Images()[0].Layers; l[0].Digest != d.Digest || l[1].Digest.String() != m.DiffIDs()[1] {
		t.Errorf("the layers are %v", l)
	}

	f.broken = errors.New("cannot be unpacked")
	if _, err := transfer.Copy(t.Context(), newBare(t, image("webapp:2.0", 1, 2, 3)), catalog.NewSink(f), transfer.Options{}); !errors.Is(err, f.broken) {
		t.Errorf("%v", err)
	}
	if len(f.list) != 1 {
		t.Errorf("listed %v", f.list)
	}
}

// TestByDigest looks for an image by its repository and its digest.
func TestByDigest(t *testing.T) {
	m := &memory{blobs: map[digest.Digest][]byte{}}
	if _, err := into(t, m, transfer.Options{}, false, image("webapp:1.0", 1)); err != nil {
		t.Fatal(err)
	}
	root := m.list[0].Root.Digest.String()
	for query, found := range map[string]bool{
		"webapp@" + root:                            true,
		"docker.io/library/webapp@" + root:          true,
		"webapp:9@" + root:                          true, // the digest says which
		"other@" + root:                             false,
		"webapp@" + digest.FromString("x").String(): false,
	} {
		src, err := catalog.NewSource(t.Context(), m, m.list, "memory", []store.Request{{Image: query}}, nil)
		if (err == nil) != found {
			t.Errorf("%s: %v", query, err)
		}
		if err == nil && len(src.Images()[0].Refs) > 0 {
			t.Errorf("%s arrives as %v", query, src.Images()[0].Refs)
		}
	}
}

// A keeper is a memory that loses things until it has kept them so many times.
type keeper struct {
	*memory
	lost int
	here []catalog.Here
}

func (k *keeper) Keep(_ context.Context, _ *transfer.Offer, here []catalog.Here) (bool, error) {
	k.lost--
	k.here = here
	return k.lost < 0, nil
}

// TestKeeper makes a plan anew while some of it is gone, and tells what is here.
func TestKeeper(t *testing.T) {
	m := &memory{blobs: map[digest.Digest][]byte{}}
	if _, err := into(t, m, transfer.Options{}, false, image("webapp:1.0", 1)); err != nil {
		t.Fatal(err)
	}
	k := &keeper{memory: m, lost: 2}
	if _, err := transfer.Copy(t.Context(), newBare(t, image("webapp:1.0", 1), image("webapp:2.0", 1, 2)), catalog.NewSink(k), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	if k.lost != -1 || len(k.here) != 2 || k.here[0].Root.Digest != m.list[0].Root.Digest || len(k.here[1].Layers) != 2 || k.here[1].Layers[0].Digest == "" || k.here[1].Layers[1].Digest != "" {
		t.Errorf("%d times too many, kept %+v", k.lost, k.here)
	}
	k.lost = 3
	if _, err := transfer.Copy(t.Context(), newBare(t, image("webapp:3.0", 3)), catalog.NewSink(k), transfer.Options{}); transfer.KindOf(err) != transfer.KindEngine {
		t.Errorf("what is here keeps vanishing: %v", err)
	}
	k.lost, k.here = 0, nil
	if _, err := transfer.Copy(t.Context(), newBare(t, image("webapp:3.0", 3)), catalog.NewSink(k), transfer.Options{DryRun: true}); err != nil || k.here != nil {
		t.Errorf("a dry run keeps %+v, %v", k.here, err)
	}
}
