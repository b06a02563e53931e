package throwaway

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/imgsend/imgsend/engine/internal/disk"
	"github.com/klauspost/compress/gzip"
)

// Media types of the OCI image layout.
const (
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociConfig   = "application/vnd.oci.image.config.v1+json"
	ociLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// WriteOCIArchive writes the images as an OCI image layout with Docker's
// manifest.json beside it, layers compressed with gzip: what a store has after
// a pull. Compressed layers go through a temporary file.
func WriteOCIArchive(w io.Writer, imgs ...Image) error {
	a := newArchive(w)
	if err := a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	index := ociIndexFile{SchemaVersion: 2, MediaType: ociIndex}
	var docker []dockerManifest
	for _, img := range imgs {
		d := dockerManifest{RepoTags: img.tags(), Layers: []string{}}
		var layers []ociDescriptor
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
			if err := a.file(blobPath(digestOf(b)), b); err != nil {
				return err
			}
		}
		index.Manifests = append(index.Manifests, img.indexEntry(manifest))
		d.Config = blobPath(digestOf(config))
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

// OCIManifestDigest returns the digest of the image's manifest in
// [WriteOCIArchive]: its ID in a containerd store. It has to compress layers
// that this process has not written so before.
func (m Image) OCIManifestDigest() (string, error) {
	var layers []ociDescriptor
	a := newArchive(io.Discard)
	for _, l := range m.Layers {
		b, err := a.gzipped(l)
		if err != nil {
			return "", err
		}
		layers = append(layers, b)
	}
	return digestOf(m.manifest(m.config(), layers)), nil
}

type ociDescriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *ociPlatform      `json:"platform,omitempty"`
}

type ociPlatform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type ociIndexFile struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	Manifests     []ociDescriptor `json:"manifests"`
}

type ociManifestFile struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     string          `json:"mediaType"`
	Config        ociDescriptor   `json:"config"`
	Layers        []ociDescriptor `json:"layers"`
}

func (m Image) manifest(config []byte, layers []ociDescriptor) []byte {
	if layers == nil {
		layers = []ociDescriptor{}
	}
	return marshal(ociManifestFile{
		SchemaVersion: 2,
		MediaType:     ociManifest,
		Config:        ociDescriptor{MediaType: ociConfig, Digest: digestOf(config), Size: int64(len(config))},
		Layers:        layers,
	})
}

func (m Image) indexEntry(manifest []byte) ociDescriptor {
	d := ociDescriptor{
		MediaType: ociManifest, Digest: digestOf(manifest), Size: int64(len(manifest)),
		Platform: &ociPlatform{m.arch(), m.os()},
	}
	for _, tag := range m.tags() {
		d.Annotations = map[string]string{
			"io.containerd.image.name":          fullName(tag),
			"org.opencontainers.image.ref.name": tag[strings.LastIndexByte(tag, ':')+1:],
		}
	}
	return d
}

// fullName is the name as a containerd store has it: with its registry.
func fullName(tag string) string {
	first, _, path := strings.Cut(tag, "/")
	switch {
	case !path:
		return "docker.io/library/" + tag
	case strings.ContainsAny(first, ".:") || first == "localhost":
		return tag
	}
	return "docker.io/" + tag
}

func blobPath(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

// gzippedLayers has the descriptor of each Layer compressed so far.
var gzippedLayers sync.Map

// gzipped adds a layer's compressed blob. Its digest and size stand before it in
// the archive, so unless they are known it is made in a temporary file.
func (a *archive) gzipped(l Layer) (ociDescriptor, error) {
	if known, ok := gzippedLayers.Load(l.normal()); ok {
		d := known.(ociDescriptor)
		return d, a.stream(blobPath(d.Digest), d.Size, l.writeGzip)
	}
	f, err := disk.Spool()
	if err != nil {
		return ociDescriptor{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if err := l.writeGzip(io.MultiWriter(f, sum)); err != nil {
		return ociDescriptor{}, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return ociDescriptor{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return ociDescriptor{}, err
	}
	d := ociDescriptor{MediaType: ociLayer, Digest: sumDigest(sum), Size: size}
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
