package throwaway

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/imgsend/imgsend/engine/internal/disk"
	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// WriteOCIArchive writes the images as an OCI image layout with Docker's
// manifest.json beside it, layers compressed with gzip: what a store has after
// a pull. Compressed layers go through a temporary file.
func WriteOCIArchive(w io.Writer, imgs ...Image) error {
	a := newArchive(w)
	if err := a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	index := ocispec.Index{Versioned: schema2, MediaType: ocispec.MediaTypeImageIndex}
	var docker []dockerManifest
	for _, img := range imgs {
		d := dockerManifest{RepoTags: img.tags(), Layers: []string{}}
		var layers []ocispec.Descriptor
		for _, l := range img.Layers {
			b, err := a.gzipped(l)
			if err != nil {
				return err
			}
			layers = append(layers, b)
			d.Layers = append(d.Layers, blobPath(b.Digest))
		}
		config := img.config()
		manifest := img.manifest(config, layers)
		for _, b := range [][]byte{config, manifest} {
			if err := a.file(blobPath(digest.FromBytes(b)), b); err != nil {
				return err
			}
		}
		index.Manifests = append(index.Manifests, img.indexEntry(manifest))
		d.Config = blobPath(digest.FromBytes(config))
		docker = append(docker, d)
	}
	if err := a.file("index.json", marshal(index)); err != nil {
		return err
	}
	if err := a.file("manifest.json", marshal(docker)); err != nil {
		return err
	}
	return a.close()
}

var schema2 = specs.Versioned{SchemaVersion: 2}

func (m Image) manifest(config []byte, layers []ocispec.Descriptor) []byte {
	return marshal(ocispec.Manifest{
		Versioned: schema2,
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))},
		Layers:    append([]ocispec.Descriptor{}, layers...),
	})
}

func (m Image) indexEntry(manifest []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest)),
		Platform: &ocispec.Platform{Architecture: m.arch(), OS: m.os()},
	}
	for _, tag := range m.tags() {
		d.Annotations = map[string]string{
			"io.containerd.image.name": fullName(tag),
			ocispec.AnnotationRefName:  tag[strings.LastIndexByte(tag, ':')+1:],
		}
	}
	return d
}

// fullName is the name as a containerd store has it: with its registry.
func fullName(tag string) string {
	n, err := reference.ParseNormalizedNamed(tag)
	if err != nil {
		return tag
	}
	return n.String()
}

func blobPath(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }

// gzippedLayers has the descriptor of each Layer compressed so far.
var gzippedLayers sync.Map

// gzipped adds a layer's compressed blob. Its digest and size stand before it in
// the archive, so unless they are known it is made in a temporary file.
func (a *archive) gzipped(l Layer) (ocispec.Descriptor, error) {
	if known, ok := gzippedLayers.Load(l.normal()); ok {
		d := known.(ocispec.Descriptor)
		return d, a.stream(blobPath(d.Digest), d.Size, l.writeGzip)
	}
	f, err := disk.Spool()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer f.Close()
	sum := digest.Canonical.Digester()
	if err := l.writeGzip(io.MultiWriter(f, sum.Hash())); err != nil {
		return ocispec.Descriptor{}, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: sum.Digest(), Size: size}
	gzippedLayers.Store(l.normal(), d)
	return d, a.stream(blobPath(d.Digest), d.Size, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

func (l Layer) writeGzip(w io.Writer) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := l.WriteTar(z); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress layer (%s): %w", l, err)
	}
	return nil
}
