package engine

import (
	"bytes"
	"encoding/json"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A probeArchive is the archive of an image that consists of things that are in
// a containerd store already: an index of manifests. The platform
// unknown/unknown keeps the engine from unpacking any of them.
type probeArchive struct {
	name   string
	out    bytes.Buffer
	w      *layout.Writer
	config ocispec.Descriptor
	index  ocispec.Index
}

var unknownPlatform = ocispec.Platform{OS: "unknown", Architecture: "unknown"}

// newProbeArchive begins the archive of an image of this name, in its full form.
func newProbeArchive(name string) (*probeArchive, error) {
	a := &probeArchive{name: name, index: layout.NewIndex()}
	a.w = layout.NewWriter(&a.out)
	var err error
	a.config, err = a.put(ocispec.MediaTypeImageConfig, ocispec.Image{Platform: unknownPlatform})
	return a, err
}

func (a *probeArchive) put(media string, v any) (ocispec.Descriptor, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(b), Size: int64(len(b))}
	return d, a.w.Blob(d.Digest, d.Size, bytes.NewReader(b))
}

// blob adds a blob, as the only layer of a manifest, and returns that manifest.
func (a *probeArchive) blob(d ocispec.Descriptor) (digest.Digest, error) {
	d.MediaType = ocispec.MediaTypeImageLayer
	m, err := a.put(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: a.index.Versioned, MediaType: ocispec.MediaTypeImageManifest, Config: a.config, Layers: []ocispec.Descriptor{d},
	})
	if err == nil {
		a.manifest(m)
	}
	return m.Digest, err
}

// manifest adds a manifest.
func (a *probeArchive) manifest(d ocispec.Descriptor) {
	a.index.Manifests = append(a.index.Manifests,
		ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Platform: &unknownPlatform})
}

// end returns the archive.
func (a *probeArchive) end() ([]byte, error) {
	root, err := a.put(ocispec.MediaTypeImageIndex, a.index)
	if err != nil {
		return nil, err
	}
	root.Annotations = map[string]string{layout.NameAnnotation: a.name}
	top := layout.NewIndex()
	top.Manifests = []ocispec.Descriptor{root}
	err = a.w.End(top, []layout.DockerImage{})
	return a.out.Bytes(), err
}
