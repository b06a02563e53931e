package layout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// blobs are those of a layout in memory.
type blobs map[digest.Digest][]byte

func (b blobs) Size(d digest.Digest) (int64, bool) {
	content, ok := b[d]
	return int64(len(content)), ok
}

func (b blobs) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b[d])), nil
}

func (b blobs) put(mediaType string, content []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	b[d.Digest] = content
	return d
}

func (b blobs) json(t testing.TB, mediaType string, v any) ocispec.Descriptor {
	t.Helper()
	content, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b.put(mediaType, content)
}

// manifest adds a manifest of one layer.
func (b blobs) manifest(t testing.TB, config, layer ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	return b.json(t, ocispec.MediaTypeImageManifest, ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer}})
}

// image adds an image of one layer for a platform.
func (b blobs) image(t testing.TB, p ocispec.Platform, layerType string) ocispec.Descriptor {
	t.Helper()
	layer := b.put(layerType, []byte("layer for "+layout.PlatformText(p)))
	config := b.json(t, ocispec.MediaTypeImageConfig, ocispec.Image{Platform: p, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}}})
	return b.manifest(t, config, layer)
}

func index(roots ...ocispec.Descriptor) ocispec.Index {
	x := layout.NewIndex()
	x.Manifests = roots
	return x
}

func named(t testing.TB, d ocispec.Descriptor, name string) ocispec.Descriptor {
	t.Helper()
	d, err := layout.Named(d, name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestArtifacts puts what is no image beside one: it is left out and said, and never
// read as an image.
func TestArtifacts(t *testing.T) {
	const payload = `{"critical":{"type":"cosign container image signature"}}`
	for name, artifact := range map[string]func(blobs) ocispec.Descriptor{
		"a signature": func(b blobs) ocispec.Descriptor {
			layer := b.put("application/vnd.dev.cosign.simplesigning.v1+json", []byte(payload))
			config := b.json(t, ocispec.MediaTypeImageConfig, ocispec.Image{RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}}})
			return b.manifest(t, config, layer)
		},
		"a chart": func(b blobs) ocispec.Descriptor {
			layer := b.put("application/vnd.cncf.helm.chart.content.v1.tar+gzip", []byte("chart"))
			return b.manifest(t, b.put("application/vnd.cncf.helm.config.v1+json", []byte(`{"name":"chart"}`)), layer)
		},
		"a config that is not JSON": func(b blobs) ocispec.Descriptor {
			return b.manifest(t, b.put("application/vnd.example.text", []byte("plain")), b.put("application/octet-stream", nil))
		},
		"a config that is not there": func(b blobs) ocispec.Descriptor {
			config := ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: digest.FromString("absent")}
			return b.manifest(t, config, b.put("application/octet-stream", nil))
		},
		"no manifest": func(b blobs) ocispec.Descriptor { return b.put("application/vnd.example.text", []byte("plain")) },
	} {
		b := blobs{}
		image := named(t, b.image(t, ocispec.Platform{OS: "linux", Architecture: "amd64"}, ocispec.MediaTypeImageLayer), "webapp:1.0")
		other := named(t, artifact(b), "team/chart:1")
		for _, x := range []ocispec.Index{index(image, other, other), index(other, image)} {
			r := &layout.Reader{Blobs: b}
			items, err := r.Read(t.Context(), x)
			if err != nil || len(items) != 1 || !slices.Equal(items[0].Refs, []string{"webapp:1.0"}) {
				t.Errorf("%s: %+v, %v", name, items, err)
			}
			if left := r.Left(); len(left) != 1 || !strings.HasPrefix(left[0], "docker.io/team/chart:1 is left out: not an image") {
				t.Errorf("%s: left out %q", name, left)
			}
		}
		if _, err := (&layout.Reader{Blobs: b}).Image(t.Context(), other); !errors.Is(err, layout.ErrNoImage) {
			t.Errorf("%s as an image: %v", name, err)
		}
		// In an index it belongs to the image, and goes with it.
		all := b.json(t, ocispec.MediaTypeImageIndex, index(other, image))
		item, err := (&layout.Reader{Blobs: b}).Image(t.Context(), all)
		if err != nil || !slices.ContainsFunc(item.Blobs, func(d ocispec.Descriptor) bool { return d.Digest == other.Digest }) {
			t.Errorf("%s in an index: %+v, %v", name, item, err)
		}
	}
}

// TestImageTypes reads images under the media types that there are.
func TestImageTypes(t *testing.T) {
	for _, layer := range []string{ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd, layout.DockerLayer, layout.DockerLayer + ".gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", ""} {
		b := blobs{}
		root := b.image(t, ocispec.Platform{OS: "linux", Architecture: "amd64"}, layer)
		if _, err := (&layout.Reader{Blobs: b}).Image(t.Context(), root); err != nil {
			t.Errorf("%q: %v", layer, err)
		}
	}
}
