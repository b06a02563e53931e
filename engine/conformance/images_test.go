package conformance_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A picture is an image to copy: its name and its layers, bottom first.
type picture struct {
	ref    string
	layers []layer
	labels map[string]string
}

// A layer is compressed with gzip, as registries have them.
type layer struct {
	diffID digest.Digest
	blob   []byte
}

// pictures are the images by the number and the kind of their layers, the
// images of content left out.
func pictures(t *testing.T) []picture {
	t.Helper()
	empty := layerOf(t)
	var many []layer
	for i := range 127 {
		many = append(many, layerOf(t, file(fmt.Sprintf("layer%03d", i+1), int64(i+1))))
	}
	return []picture{
		{ref: "layers:1", layers: many[:1]},
		{ref: "layers:2", layers: many[:2]},
		{ref: "layers:60", layers: many[:60]},
		{ref: "layers:125", layers: many[:classicDepth]},
		{ref: "layers:127", layers: many},
		{ref: "layers:empty", layers: []layer{empty, many[0], empty, empty}},
		{ref: "layers:repeated", layers: []layer{many[0], many[1], many[0], many[0]}},
	}
}

// config returns the picture's config, always the same.
func (p picture) config(t *testing.T) []byte {
	t.Helper()
	c := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}}
	c.Config.Labels = p.labels
	c.RootFS.Type = "layers"
	c.RootFS.DiffIDs = p.diffIDs()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (p picture) diffIDs() []digest.Digest {
	var ids []digest.Digest
	for _, l := range p.layers {
		ids = append(ids, l.diffID)
	}
	return ids
}

// writeArchive makes an archive of the pictures.
func writeArchive(t *testing.T, pictures ...picture) fileEnd {
	t.Helper()
	w := throwawaytest.NewLayout(t)
	var entries []layout.Entry
	for _, p := range pictures {
		m := transfer.IndexImage{Config: w.Put(ocispec.MediaTypeImageConfig, p.config(t))}
		for _, l := range p.layers {
			m.Layers = append(m.Layers, w.Put(ocispec.MediaTypeImageLayerGzip, l.blob))
		}
		manifest, root, err := layout.Compose(&m)
		if err != nil {
			t.Fatal(err)
		}
		w.Put(root.MediaType, manifest)
		entries = append(entries, layout.Entry{Root: root, Config: m.Config.Digest, Layers: m.Layers, Names: []string{p.ref}})
	}
	if err := w.Finish(entries); err != nil {
		t.Fatal(err)
	}
	file := newFile(t)
	if err := os.WriteFile(string(file), w.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// check checks that an end has the pictures as they were made, by their names.
func check(t *testing.T, e end, pictures ...picture) {
	t.Helper()
	src := e.source(t, refsOf(pictures)...)
	defer src.Close(nil)
	o, err := src.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pictures {
		i := slices.IndexFunc(o.Images, func(m transfer.Image) bool { return slices.Contains(m.Refs, p.ref) })
		if i < 0 {
			t.Errorf("%s is not there", p.ref)
			continue
		}
		m := o.Images[i]
		if want := digest.FromBytes(p.config(t)); m.Config != want {
			t.Errorf("%s has the config %s, not %s", p.ref, m.Config, want)
		}
		var ids []digest.Digest
		for _, l := range m.Layers {
			ids = append(ids, l.DiffID)
		}
		if !slices.Equal(ids, p.diffIDs()) {
			t.Errorf("%s has the layers %v, not %v", p.ref, ids, p.diffIDs())
		}
	}
}

func refsOf(pictures []picture) []string {
	var refs []string
	for _, p := range pictures {
		refs = append(refs, p.ref)
	}
	return refs
}

// changed is when files were.
var changed = time.Unix(1_700_000_000, 123_456_789)

// file returns a header of a file full of "f".
func file(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: changed, Format: tar.FormatPAX}
}

// special returns a header of something that has no content.
func special(name string, kind byte) *tar.Header {
	h := file(name, 0)
	h.Typeflag = kind
	return h
}

func folderAt(name string) *tar.Header {
	h := special(name, tar.TypeDir)
	h.Mode = 0o755
	return h
}

// layerOf makes a layer of these members, files full of "f".
func layerOf(t *testing.T, headers ...*tar.Header) layer {
	t.Helper()
	var b bytes.Buffer
	sum := digest.Canonical.Digester()
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(io.MultiWriter(z, sum.Hash()))
	for _, h := range headers {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, strings.Repeat("f", int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []io.Closer{w, z} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return layer{sum.Digest(), b.Bytes()}
}
