package layout

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// DockerManifestFile is Docker's list of images, beside index.json.
const DockerManifestFile = "manifest.json"

// Media types of Docker's image manifests, version 2, schema 2.
const (
	DockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerConfig       = "application/vnd.docker.container.image.v1+json"
	DockerLayer        = "application/vnd.docker.image.rootfs.diff.tar"
)

// A Writer writes an OCI image layout as a tar, with Docker's manifest.json
// beside it, all metadata last: the one archive that every engine loads, also
// with blobs left out that it has. Classic stores follow manifest.json, the
// others index.json.
type Writer struct {
	// Annotations are those of index.json, if there are any.
	Annotations map[string]string

	tw  *tar.Writer
	has map[digest.Digest]bool
}

// NewWriter returns a writer of one archive to w. Nothing is buffered.
func NewWriter(w io.Writer) *Writer {
	return &Writer{tw: tar.NewWriter(w), has: map[digest.Digest]bool{}}
}

// BlobPath is where a layout has a blob, with slashes.
func BlobPath(d digest.Digest) string {
	return ocispec.ImageBlobsDir + "/" + d.Algorithm().String() + "/" + d.Encoded()
}

// Blob writes one blob, if it has not been written before; r must have exactly
// size bytes and is read to its end.
func (w *Writer) Blob(d digest.Digest, size int64, r io.Reader) error {
	dst, err := w.Begin(d, size)
	if err != nil {
		return err
	}
	n, err := io.Copy(dst, r)
	if err == nil && n != size {
		err = fmt.Errorf("blob %s of %d bytes has %d", d, size, n)
	}
	return err
}

// Begin returns a writer for the size bytes of one blob, which are to be written before
// the next blob begins. If the blob has been written before, it discards them.
func (w *Writer) Begin(d digest.Digest, size int64) (io.Writer, error) {
	if w.has[d] {
		return io.Discard, nil
	}
	w.has[d] = true
	return w.tw, w.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: BlobPath(d), Size: size, Mode: 0o444, Format: tar.FormatPAX})
}

func (w *Writer) file(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := w.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o444}); err != nil {
		return err
	}
	_, err = w.tw.Write(b)
	return err
}

// A DockerImage is an entry of manifest.json.
type DockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// An Entry is one image as an archive lists it.
type Entry struct {
	Root   ocispec.Descriptor   // the manifest or index that the image is
	Config digest.Digest        // for manifest.json
	Layers []ocispec.Descriptor // for manifest.json, bottom first, left-out ones included
	// Names of the image, in their short form and with a tag. None: a loaded
	// image stays untagged.
	Names []string
}

// Finish writes the metadata of the images and ends the tar; it does not close
// what is under it.
func (w *Writer) Finish(images []Entry) error {
	index := NewIndex()
	index.Annotations = w.Annotations
	list := make([]DockerImage, len(images))
	for i, m := range images {
		roots, err := m.roots()
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, roots...)
		list[i] = DockerImage{Config: BlobPath(m.Config), RepoTags: m.Names, Layers: []string{}}
		for _, d := range m.Layers {
			list[i].Layers = append(list[i].Layers, BlobPath(d.Digest))
		}
	}
	return w.End(index, list)
}

// End writes metadata as it is and ends the tar, like [Writer.Finish].
func (w *Writer) End(index ocispec.Index, list []DockerImage) error {
	if err := w.file(ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}); err != nil {
		return err
	}
	if err := w.file(ocispec.ImageIndexFile, index); err != nil {
		return err
	}
	if err := w.file(DockerManifestFile, list); err != nil {
		return err
	}
	return w.tw.Close()
}

// NewIndex returns an index of nothing.
func NewIndex() ocispec.Index {
	return ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
}

// Root describes the manifest or index that an image is: the one that it came with,
// or else one that is composed and passed to put.
func Root(m *transfer.IndexImage, put func(ocispec.Descriptor, io.Reader) error) (ocispec.Descriptor, error) {
	if r := m.Root; r != nil {
		return ocispec.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size}, nil
	}
	b, d, err := Compose(m)
	if err != nil {
		return d, err
	}
	return d, put(d, bytes.NewReader(b))
}

// Compose makes the manifest of an image that came without one. Equal images
// get equal manifests, those that Docker 25 and newer makes of them.
//
// It is an OCI manifest, or Docker's if the config has the media type
// [DockerConfig]: Podman reads just OCI's settings of a config under an OCI manifest
// (seen on 4.3.1 and 5.8.6).
func Compose(m *transfer.IndexImage) ([]byte, ocispec.Descriptor, error) {
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: m.Config.Digest, Size: m.Config.Size},
		Layers:    make([]ocispec.Descriptor, len(m.Layers)),
	}
	layerType := ociLayer
	if m.Config.MediaType == DockerConfig {
		manifest.MediaType, manifest.Config.MediaType, layerType = DockerManifest, DockerConfig, dockerLayer
	}
	for i, d := range m.Layers {
		manifest.Layers[i] = ocispec.Descriptor{MediaType: layerType(d.MediaType), Digest: d.Digest, Size: d.Size}
	}
	b, err := json.Marshal(manifest)
	if err != nil {
		return nil, ocispec.Descriptor{}, err
	}
	return b, ocispec.Descriptor{MediaType: manifest.MediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}, nil
}
