package throwaway

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Digests that must never change: stores, golden files and measurements of
// other days are compared by them.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		layer Layer
		want  string
	}{
		{Layer{Size: 200_000, Seed: 7}, "sha256:df88919d2e47a7a27f2bc9d208730f392f649a45fd5402d1ea890ee0a5c4af43"},
		{Layer{Size: 200_001, Seed: 7, Kind: Text, Files: 1003}, "sha256:999da47f42b52d4e6d150b6dcfb047afabf01a29665ac4a34a076720bd484960"},
		{Layer{}, "sha256:c6eb83a30b553db76431b0db9c220846219e5df3cd27c8a990d9a3597938f200"},
	} {
		if got := c.layer.DiffID(); got != c.want {
			t.Errorf("%v: DiffID %s, not %s", c.layer, got, c.want)
		}
	}
	img := Image{Layers: []Layer{{Size: 10, Seed: 1}}, Arch: "amd64", Labels: map[string]string{"b": "1", "a": "2"}}
	if got, want := img.ID(), "sha256:36bbae9bd1422daee880f792294364cc588852682fafeacb02be8f19aa10b1a4"; got != want {
		t.Errorf("image ID %s, not %s", got, want)
	}
}

func TestLayerTar(t *testing.T) {
	for _, l := range []Layer{{}, {Size: 1}, {Size: 512, Files: 3}, {Size: 100_000, Seed: 1, Kind: Text, Files: 2500}, {Size: 2, Files: 5}} {
		var b bytes.Buffer
		if err := l.WriteTar(&b); err != nil {
			t.Fatal(err)
		}
		if int64(b.Len()) != l.TarSize() {
			t.Errorf("%v: %d bytes, TarSize says %d", l, b.Len(), l.TarSize())
		}
		sum := sha256.Sum256(b.Bytes())
		if got := "sha256:" + hex.EncodeToString(sum[:]); got != l.DiffID() {
			t.Errorf("%v: digest %s, DiffID says %s", l, got, l.DiffID())
		}
		var size int64
		files := 0
		for r := tar.NewReader(&b); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				files++
				size += h.Size
			}
		}
		if files != max(l.Files, 1) || size != l.Size {
			t.Errorf("%v: %d files with %d bytes", l, files, size)
		}
	}
}

func TestFileLayer(t *testing.T) {
	for _, content := range []string{"", "hello", strings.Repeat("x", 300_000)} {
		l := Layer{File: File{Path: "app", Content: content, Mode: 0o755}}
		var b bytes.Buffer
		if err := l.WriteTar(&b); err != nil {
			t.Fatal(err)
		}
		if int64(b.Len()) != l.TarSize() || digestOf(b.Bytes()) != l.DiffID() {
			t.Errorf("%v: %d bytes, TarSize says %d; digest %s, DiffID says %s", l, b.Len(), l.TarSize(), digestOf(b.Bytes()), l.DiffID())
		}
		got := readTar(t, &b)
		if string(got["app"]) != content || len(got) != 1 {
			t.Errorf("%v: %d files, one of %d bytes", l, len(got), len(got["app"]))
		}
	}
	a, b := Layer{File: File{Path: "app", Content: "a"}}, Layer{File: File{Path: "app", Content: "b"}}
	if a.String() == b.String() || a.DiffID() == b.DiffID() {
		t.Errorf("two files are one layer: %v", a)
	}
}

// The content must not depend on how it is read, nor repeat itself.
func TestContent(t *testing.T) {
	for _, kind := range []LayerKind{Random, Text} {
		whole := make([]byte, 300_000)
		Layer{Seed: 5, Kind: kind}.content().fill(whole)
		parts := make([]byte, 0, len(whole))
		c := Layer{Seed: 5, Kind: kind}.content()
		for n := 1; len(parts) < len(whole); n = n*3%1009 + 1 {
			p := make([]byte, min(n, len(whole)-len(parts)))
			c.fill(p)
			parts = append(parts, p...)
		}
		if !bytes.Equal(whole, parts) {
			t.Errorf("%v: content depends on the reads", kind)
		}
		if bytes.Count(whole, whole[1000:1100]) != 1 {
			t.Errorf("%v: content repeats", kind)
		}
		other := make([]byte, 100)
		Layer{Seed: 6, Kind: kind}.content().fill(other)
		if bytes.Contains(whole, other) {
			t.Errorf("%v: two seeds have the same content", kind)
		}
	}
}

func TestCompressibility(t *testing.T) {
	for kind, want := range map[LayerKind][2]float64{Random: {0.98, 1.02}, Text: {2.5, 3}} {
		var n counter
		z := gzip.NewWriter(&n)
		l := Layer{Size: 4 << 20, Kind: kind, Files: 100}
		if err := l.WriteTar(z); err != nil {
			t.Fatal(err)
		}
		z.Close()
		if got := float64(l.TarSize()) / float64(n); got < want[0] || got > want[1] {
			t.Errorf("%v: gzip makes it %.2f times smaller, not %v", kind, got, want)
		}
	}
}

func TestArchives(t *testing.T) {
	shared := Layer{Size: 70_000, Seed: 1, Kind: Text}
	a := Image{Ref: "a", Layers: []Layer{shared, {Size: 10, Seed: 2}}}
	b := Image{Ref: "reg.example:5000/b:2", Layers: []Layer{shared, shared, {Size: 10, Seed: 3}}}
	for name, write := range map[string]func(io.Writer, ...Image) error{"docker": WriteDockerArchive, "oci": WriteOCIArchive} {
		var one, two bytes.Buffer
		if err := write(&one, a, b); err != nil {
			t.Fatal(err)
		}
		if err := write(&two, a, b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("%s: not the same twice", name)
		}
		files := readTar(t, &one)
		var manifest []dockerManifest
		if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
			t.Fatal(err)
		}
		if got := []string{manifest[0].RepoTags[0], manifest[1].RepoTags[0]}; !slices.Equal(got, []string{"a:latest", "reg.example:5000/b:2"}) {
			t.Errorf("%s: names %v", name, got)
		}
		for i, img := range []Image{a, b} {
			if got := digestOf(files[manifest[i].Config]); got != img.ID() {
				t.Errorf("%s: config %s, not %s", name, got, img.ID())
			}
			for j, path := range manifest[i].Layers {
				layer := files[path]
				if name == "oci" {
					if digestOf(layer) != strings.Replace(strings.TrimPrefix(path, "blobs/"), "/", ":", 1) {
						t.Errorf("blob %s has digest %s", path, digestOf(layer))
					}
					z, err := gzip.NewReader(bytes.NewReader(layer))
					if err != nil {
						t.Fatal(err)
					}
					if layer, err = io.ReadAll(z); err != nil {
						t.Fatal(err)
					}
				}
				if got := digestOf(layer); got != img.DiffIDs()[j] {
					t.Errorf("%s: layer %d of %s is %s, not %s", name, j, img.Ref, got, img.DiffIDs()[j])
				}
			}
		}
		if name != "oci" {
			continue
		}
		var index ocispec.Index
		if err := json.Unmarshal(files["index.json"], &index); err != nil {
			t.Fatal(err)
		}
		for i, img := range []Image{a, b} {
			want, err := img.OCIManifestDigest()
			if err != nil {
				t.Fatal(err)
			}
			if got := index.Manifests[i].Digest; got.String() != want || digest.FromBytes(files[blobPath(got)]) != got {
				t.Errorf("manifest %s, not %s", got, want)
			}
		}
	}
}

func TestWriteFails(t *testing.T) {
	img := Image{Layers: []Layer{{Size: 1 << 20}}}
	for name, write := range map[string]func(io.Writer, ...Image) error{"docker": WriteDockerArchive, "oci": WriteOCIArchive} {
		if err := write(iotest.TruncateWriter(io.Discard, 0), img); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := write(full{}, img); err == nil {
			t.Errorf("%s: no error when the writer fails", name)
		}
	}
}

func readTar(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name] != nil {
			t.Errorf("%s is in the archive twice", h.Name)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}

type counter int64

func (n *counter) Write(b []byte) (int, error) { *n += counter(len(b)); return len(b), nil }

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func BenchmarkDockerArchive(b *testing.B) {
	for _, kind := range []LayerKind{Random, Text} {
		b.Run(kind.String(), func(b *testing.B) {
			img := Image{Layers: []Layer{{Size: 256 << 20, Kind: kind, Files: 2000}}}
			b.SetBytes(img.Size())
			b.ReportAllocs()
			for b.Loop() {
				if err := WriteDockerArchive(io.Discard, img); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// OCIManifestDigest returns the digest of the image's manifest in
// [WriteOCIArchive]: its ID in a containerd store. It has to compress layers
// that this process has not written so before.
func (m Image) OCIManifestDigest() (string, error) {
	var layers []ocispec.Descriptor
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

func TestReadAnswer(t *testing.T) {
	if err := ReadAnswer(strings.NewReader(`{"stream":"Loaded"}{"status":"x"}`)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{`{"stream":"x"}{"error":"no space left"}`, `{"stream":`} {
		if ReadAnswer(strings.NewReader(bad)) == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}
