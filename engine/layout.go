package engine

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A layoutWriter writes an OCI image layout as a tar, with Docker's
// manifest.json beside it, all metadata last: the one archive that every engine
// loads, also with blobs left out that it has. Classic stores follow
// manifest.json, the others index.json. It has no names in it, so that a loaded
// image stays untagged until it is verified.
type layoutWriter struct {
	tw  *tar.Writer
	has map[digest.Digest]bool
}

func newLayoutWriter(w io.Writer) *layoutWriter {
	return &layoutWriter{tw: tar.NewWriter(w), has: map[digest.Digest]bool{}}
}

func blobPath(d digest.Digest) string {
	return ocispec.ImageBlobsDir + "/" + d.Algorithm().String() + "/" + d.Encoded()
}

// blob writes one blob; r must have exactly size bytes.
func (l *layoutWriter) blob(d digest.Digest, size int64, r io.Reader) error {
	if l.has[d] {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	if err := l.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: blobPath(d), Size: size, Mode: 0o444, Format: tar.FormatPAX}); err != nil {
		return err
	}
	n, err := io.Copy(l.tw, r)
	if err == nil && n != size {
		err = fmt.Errorf("blob %s of %d bytes has %d", d, size, n)
	}
	l.has[d] = true
	return err
}

func (l *layoutWriter) file(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := l.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o444}); err != nil {
		return err
	}
	_, err = l.tw.Write(b)
	return err
}

// dockerImage is an entry of manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// finish writes the metadata of images whose roots are given, and ends the tar.
func (l *layoutWriter) finish(images []transfer.IndexImage, roots []ocispec.Descriptor) error {
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: roots}
	list := make([]dockerImage, len(images))
	for i, m := range images {
		list[i] = dockerImage{Config: blobPath(m.Config.Digest), Layers: []string{}}
		for _, d := range m.Layers {
			list[i].Layers = append(list[i].Layers, blobPath(d.Digest))
		}
	}
	if err := l.file(ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}); err != nil {
		return err
	}
	if err := l.file(ocispec.ImageIndexFile, index); err != nil {
		return err
	}
	if err := l.file("manifest.json", list); err != nil {
		return err
	}
	return l.tw.Close()
}

// compose makes the manifest of an image that came without one. Equal images
// get equal manifests, those that Docker 25 and newer makes of them.
func compose(m *transfer.IndexImage) ([]byte, ocispec.Descriptor, error) {
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: m.Config.Digest, Size: m.Config.Size}
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    config,
		Layers:    make([]ocispec.Descriptor, len(m.Layers)),
	}
	for i, d := range m.Layers {
		manifest.Layers[i] = ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
		if d.MediaType == "" {
			manifest.Layers[i].MediaType = ocispec.MediaTypeImageLayer
		}
	}
	b, err := json.Marshal(manifest)
	if err != nil {
		return nil, ocispec.Descriptor{}, err
	}
	return b, ocispec.Descriptor{MediaType: manifest.MediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}, nil
}
