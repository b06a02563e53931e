package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A documentSource gives one image whose blobs are what a test makes them.
type documentSource struct {
	transfer.Queue
	index transfer.IndexImage
	blobs [][]byte
	read  map[digest.Digest]int // bytes that were taken
}

func (s *documentSource) Export(ctx context.Context, _ *transfer.Offer, _ *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	for _, b := range s.blobs {
		d := describe(ocispec.MediaTypeImageLayer, b)
		if err := w.Put(ctx, d, &taken{bytes.NewReader(b), s.read, d.Digest}); err != nil {
			return nil, err
		}
	}
	return &transfer.Index{Images: []transfer.IndexImage{s.index}}, nil
}

func (s *documentSource) Close(error) error { return nil }

type taken struct {
	r    io.Reader
	read map[digest.Digest]int
	d    digest.Digest
}

func (r *taken) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.read[r.d] += n
	return n, err
}

func describe(media string, b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(b), Size: int64(len(b))}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLargeDocuments offers every end images whose config is too large, and says
// so, or hides it: no end takes them.
func TestLargeDocuments(t *testing.T) {
	l := layerOf(t, file("one", 1))
	small := picture{ref: "large:1", layers: []layer{l}}
	large := small
	large.labels = map[string]string{"filling": strings.Repeat("x", layout.MaxDocument)}
	config, other := large.config(t), small.config(t)
	layerDesc := describe(ocispec.MediaTypeImageLayerGzip, l.blob)
	manifest := func(config []byte) []byte {
		return marshal(t, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
			Config: describe(ocispec.MediaTypeImageConfig, config), Layers: []ocispec.Descriptor{layerDesc}})
	}
	bad, good := manifest(config), manifest(other)
	list := layout.NewIndex()
	for _, m := range [][]byte{good, bad} {
		list.Manifests = append(list.Manifests, describe(ocispec.MediaTypeImageManifest, m))
	}
	all := marshal(t, list)
	root := func(media string, b []byte) *ocispec.Descriptor {
		d := describe(media, b)
		return &d
	}
	badRoot, listRoot := root(ocispec.MediaTypeImageManifest, bad), root(ocispec.MediaTypeImageIndex, all)
	into := ends(t)
	for name, test := range map[string]struct {
		offered digest.Digest // as the config
		root    *ocispec.Descriptor
		config  []byte
		blobs   [][]byte
	}{
		"offered":                {digest.FromBytes(config), nil, config, [][]byte{config, l.blob}},
		"only in the index":      {"", nil, config, [][]byte{l.blob, config}},
		"only in the manifest":   {"", badRoot, other, [][]byte{l.blob, config, other, bad}},
		"of another platform":    {digest.FromBytes(other), listRoot, other, [][]byte{l.blob, config, other, bad, good, all}},
		"and its manifest first": {digest.FromBytes(other), listRoot, other, [][]byte{all, good, bad, other, l.blob, config}},
	} {
		for _, e := range into {
			t.Run(name+" into "+e.name, func(t *testing.T) {
				src := &documentSource{blobs: test.blobs, read: map[digest.Digest]int{}}
				m := transfer.Image{ID: digest.FromString("any"), Refs: []string{small.ref}, Config: test.offered,
					Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"},
					Layers:   []transfer.Layer{{DiffID: l.diffID, Digest: layerDesc.Digest, Size: layerDesc.Size}}}
				src.index = transfer.IndexImage{ID: m.ID, Root: test.root, Config: describe(ocispec.MediaTypeImageConfig, test.config), Layers: []ocispec.Descriptor{layerDesc}}
				if test.root != nil {
					m.Root = test.root.Digest
				}
				src.Fill([]transfer.Image{m})
				_, err := transfer.Copy(t.Context(), src, e.sink(t), transfer.Options{})
				if transfer.KindOf(err) != transfer.KindRefused || !strings.Contains(err.Error(), "over the limit") {
					t.Errorf("%v", err)
				}
				if d := digest.FromBytes(config); name == "offered" && src.read[d] > 0 {
					t.Errorf("%d bytes of it were taken", src.read[d])
				}
				if e, ok := e.end.(*engineEnd); ok {
					if left := e.list(t, image.ListOptions{All: true}); len(left) > 0 {
						t.Errorf("left %v", left)
					}
				}
			})
		}
	}
}
