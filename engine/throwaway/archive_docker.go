package throwaway

import (
	"archive/tar"
	"fmt"
	"io"
	"strings"
)

// WriteDockerArchive writes the images as "docker save" of old did: layers,
// configs and manifest.json, which every engine loads. Layers are
// uncompressed; one that several images have is written once. It needs little
// memory, whatever the size.
func WriteDockerArchive(w io.Writer, imgs ...Image) error {
	a := newArchive(w)
	// A layer's name comes from what it is made of and not from its digest, so
	// that the digest is made while it is written.
	path := func(l Layer) string {
		return strings.TrimPrefix(digestOf([]byte(l.String())), "sha256:") + "/layer.tar"
	}
	for _, img := range imgs {
		for _, l := range img.Layers {
			if err := a.stream(path(l), l.TarSize(), l.WriteTar); err != nil {
				return err
			}
		}
	}
	var manifest []dockerManifest
	for _, img := range imgs {
		config := img.config()
		name := strings.TrimPrefix(digestOf(config), "sha256:") + ".json"
		if err := a.file(name, config); err != nil {
			return err
		}
		m := dockerManifest{Config: name, RepoTags: img.tags(), Layers: []string{}}
		for _, l := range img.Layers {
			m.Layers = append(m.Layers, path(l))
		}
		manifest = append(manifest, m)
	}
	if err := a.file("manifest.json", marshal(manifest)); err != nil {
		return err
	}
	return a.close()
}

// dockerManifest is one image in Docker's manifest.json.
type dockerManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// tags returns the image's name with its tag, or nothing.
func (m Image) tags() []string {
	if m.Ref == "" {
		return nil
	}
	if i := strings.LastIndexByte(m.Ref, ':'); i <= strings.LastIndexByte(m.Ref, '/') {
		return []string{m.Ref + ":latest"}
	}
	return []string{m.Ref}
}

// archive is a tar file that leaves out members it already has.
type archive struct {
	tar  *tar.Writer
	have map[string]bool
}

func newArchive(w io.Writer) *archive {
	return &archive{tar: tar.NewWriter(w), have: map[string]bool{}}
}

func (a *archive) file(name string, b []byte) error {
	return a.stream(name, int64(len(b)), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

func (a *archive) stream(name string, size int64, write func(io.Writer) error) error {
	if a.have[name] {
		return nil
	}
	a.have[name] = true
	h := &tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}
	if err := a.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := write(a.tar); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func (a *archive) close() error {
	if err := a.tar.Close(); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}
