package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/ulikunitz/xz"
)

func testImage(n int, ref string) throwaway.Image {
	m := throwaway.Image{Ref: ref, Cmd: []string{"/app"}}
	for i := range n {
		m.Layers = append(m.Layers, throwaway.Layer{Size: 2000, Seed: uint64(i + 1), Kind: throwaway.Text, Files: 2})
	}
	return m
}

func dockerArchive(t testing.TB, m ...throwaway.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := throwaway.WriteDockerArchive(&b, m...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func oci(t testing.TB, m ...throwaway.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := throwaway.WriteOCIArchive(&b, m...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rewrite copies an archive copy, member by member. The member that edit
// returns nil for is left out.
func rewrite(t testing.TB, b []byte, edit func(*tar.Header, []byte) []byte, more ...*tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			if body = edit(h, body); body == nil {
				continue
			}
		}
		h.Size = int64(len(body))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range more {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// open reads an archive as it comes from a pipe, or from a file.
func open(t testing.TB, b []byte, file bool) (*archive.Source, error) {
	t.Helper()
	o := archive.Options{}
	if !file {
		return archive.Open(t.Context(), bytes.NewReader(b), o)
	}
	name := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return archive.Open(t.Context(), f, o)
}

// copied copies an archive into a new one.
func copied(t testing.TB, b []byte, file bool, o archive.SinkOptions) ([]byte, error) {
	t.Helper()
	src, err := open(t, b, file)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err = transfer.Copy(t.Context(), src, archive.NewSink(&out, o), transfer.Options{})
	return out.Bytes(), err
}

// dockerLayer returns the name of the top layer in an image's Docker archive.
func dockerLayer(t testing.TB, m throwaway.Image) string {
	t.Helper()
	var name string
	rewrite(t, dockerArchive(t, m), func(h *tar.Header, b []byte) []byte {
		if digest.FromBytes(b).String() == m.DiffIDs()[len(m.Layers)-1] {
			name = h.Name
		}
		return b
	})
	if name == "" {
		t.Fatal("the archive lacks the layer")
	}
	return name
}

func describe(t testing.TB, b []byte) []transfer.Image {
	t.Helper()
	src, err := open(t, b, false)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close(nil)
	return src.Images()
}

func checkImages(t testing.TB, got []transfer.Image, want ...throwaway.Image) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d images, not %d", len(got), len(want))
	}
	for i, w := range want {
		var ids []string
		for _, l := range got[i].Layers {
			ids = append(ids, l.DiffID.String())
		}
		if !slices.Equal(ids, w.DiffIDs()) || got[i].Config.String() != w.ID() || !slices.Equal(got[i].Refs, []string{w.Ref}) {
			t.Errorf("%s came as %v, config %s, layers %v", w.Ref, got[i].Refs, got[i].Config, ids)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{1, 2, 60, 127} {
		m := testImage(n, "webapp:1.0")
		m.Layers = append(m.Layers, m.Layers[0]) // a repeated layer
		other := testImage(1, "registry.example:5000/team/other:2")
		for name, b := range map[string][]byte{"docker": dockerArchive(t, m, other), "oci": oci(t, m, other)} {
			for _, file := range []bool{false, true} {
				out, err := copied(t, b, file, archive.SinkOptions{})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				checkImages(t, describe(t, out), m, other)
				again, err := copied(t, out, file, archive.SinkOptions{})
				if err != nil || len(again) != len(out) {
					t.Errorf("%s: once more: %d bytes, not %d, %v", name, len(again), len(out), err)
				}
			}
		}
	}
}

func compressed(t testing.TB, name string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch name {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	case "pzstd":
		out.Write([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4})
		w, err = zstd.NewWriter(&out)
	case "xz":
		w, err = xz.NewWriter(&out)
	case "bzip2":
		cmd := exec.Command("bzip2", "-c")
		cmd.Stdin, cmd.Stdout = bytes.NewReader(b), &out
		if err := cmd.Run(); err != nil {
			t.Skip(err)
		}
		return out.Bytes()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCompressed(t *testing.T) {
	m := testImage(3, "webapp:1.0")
	for _, name := range []string{"gzip", "zstd", "pzstd", "xz", "bzip2"} {
		t.Run(name, func(t *testing.T) {
			b := compressed(t, name, dockerArchive(t, m))
			checkImages(t, describe(t, b), m)
			for n := 0; n < len(b); n += 1 + len(b)/200 {
				if src, err := open(t, b[:n], n%2 == 0); err == nil {
					src.Close(nil)
					t.Errorf("cut to %d of %d bytes it is taken for whole", n, len(b))
				} else if transfer.KindOf(err) != transfer.KindBroken {
					t.Errorf("cut to %d bytes: %v", n, err)
				}
			}
		})
	}
}

func TestDelta(t *testing.T) {
	m := testImage(3, "webapp:1.0")
	have := func(transfer.Image) []bool { return []bool{true, true, false} }
	out, err := copied(t, dockerArchive(t, m), true, archive.SinkOptions{Have: have, For: "buildbox"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := copied(t, out, true, archive.SinkOptions{Have: have, For: "buildbox"})
	if err != nil || len(again) != len(out) {
		t.Errorf("for a host that has the layers: %v", err)
	}
	var nothing bytes.Buffer
	src, err := open(t, out, true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = transfer.Copy(t.Context(), src, archive.NewSink(&nothing, archive.SinkOptions{}), transfer.Options{})
	var e *transfer.Error
	if !errors.As(err, &e) || e.Kind != transfer.KindRefused || e.Hint == "" || !strings.Contains(e.Error(), "delta made for buildbox: it leaves out layer 1 of webapp:1.0") || nothing.Len() > 0 {
		t.Errorf("for another host: %v, %d bytes", err, nothing.Len())
	}
}

func TestBadArchives(t *testing.T) {
	m := testImage(2, "webapp:1.0")
	d, o := dockerArchive(t, m), oci(t, m)
	drop := func(b []byte, name string) []byte {
		return rewrite(t, b, func(h *tar.Header, body []byte) []byte {
			if strings.Contains(h.Name, name) {
				return nil
			}
			return body
		})
	}
	spoil := func(b []byte, part string) []byte {
		return rewrite(t, b, func(h *tar.Header, body []byte) []byte {
			if strings.Contains(h.Name, part) {
				body[len(body)/2] ^= 1
			}
			return body
		})
	}
	replace := func(b []byte, name, text string) []byte {
		return rewrite(t, b, func(h *tar.Header, body []byte) []byte {
			if h.Name == name {
				return []byte(text)
			}
			return body
		})
	}
	layer := dockerLayer(t, m)
	src, err := open(t, o, false)
	if err != nil {
		t.Fatal(err)
	}
	ociLayer := src.Images()[0].Layers[1].Digest.Encoded()
	ociRoot := src.Images()[0].Root.Encoded()
	src.Close(nil)
	huge := func(name string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1 << 30}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes() // nobody gets to the body
	}
	two := oci(t, m, testImage(1, "webapp:1.0"))
	dockerTwo := dockerArchive(t, m, testImage(1, "webapp:1.0"))
	for _, c := range []struct {
		name    string
		archive []byte
		want    string
	}{
		{"empty file", nil, "ends early"},
		{"not a tar", bytes.Repeat([]byte("hello "), 1000), "not a tar"},
		{"empty tar", rewrite(t, rewrite(t, d, func(*tar.Header, []byte) []byte { return nil }), nil), "empty"},
		{"no manifest.json", drop(d, "manifest.json"), "without its index.json or manifest.json"},
		{"a folder around it", rewrite(t, o, func(h *tar.Header, b []byte) []byte { h.Name = "image/" + h.Name; return b }), "packed with the folder image around it"},
		{"a system's folder around it", rewrite(t, o, func(h *tar.Header, b []byte) []byte { h.Name = "tmp/oci/" + h.Name; return b }), "packed with the folder tmp/oci around it"},
		{"a folder around it, docker", rewrite(t, d, func(h *tar.Header, b []byte) []byte { h.Name = "home/me/" + h.Name; return b }), "packed with the folder home/me around it"},
		{"Docker 1.9", rewrite(t, drop(d, "manifest.json"), nil, &tar.Header{Name: "repositories", Typeflag: tar.TypeReg}), "Docker 1.9 or older"},
		{"missing layer", drop(o, ociLayer), "layer 2 of"},
		{"missing layer, docker", drop(d, layer), "is missing"},
		{"missing manifest", drop(o, ociRoot), "manifest sha256:" + ociRoot + " is missing"},
		{"missing config", drop(d, strings.TrimPrefix(m.ID(), "sha256:")), "is missing"},
		{"wrong layer", spoil(o, ociLayer), "has another digest"},
		{"wrong layer, docker", spoil(d, layer), "has another digest"},
		{"wrong manifest", spoil(o, ociRoot), "has another digest"},
		{"wrong config", spoil(d, strings.TrimPrefix(m.ID(), "sha256:")), ""},
		{"traversal", rewrite(t, d, nil, &tar.Header{Name: "../../x", Typeflag: tar.TypeReg}), "leads out of the archive"},
		{"absolute", rewrite(t, d, nil, &tar.Header{Name: "/x", Typeflag: tar.TypeReg}), "leads out of the archive"},
		{"symlink escape", rewrite(t, d, nil, &tar.Header{Name: "a/b", Linkname: "../../c", Typeflag: tar.TypeSymlink}), "leads out of the archive"},
		{"absolute symlink", rewrite(t, d, nil, &tar.Header{Name: "a", Linkname: "/c", Typeflag: tar.TypeSymlink}), "leads out of the archive"},
		{"two manifests, one name", two, "two manifests have the name webapp:1.0"},
		{"two manifests, one name, docker", dockerTwo, "two manifests have the name webapp:1.0"},
		{"another manifest.json after it", rewrite(t, d, nil, &tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg}), "manifest.json: unexpected end"},
		{"huge manifest.json", huge("manifest.json"), "over the limit"},
		{"huge index.json", huge("./index.json"), "over the limit"},
		{"not JSON", replace(d, "manifest.json", "["), "manifest.json: unexpected end"},
		{"no images", replace(d, "manifest.json", "[]"), "lists no image"},
		{"link in a circle", replace(rewrite(t, d, nil, &tar.Header{Name: "a", Linkname: "b", Typeflag: tar.TypeSymlink}, &tar.Header{Name: "b", Linkname: "a", Typeflag: tar.TypeSymlink}),
			"manifest.json", `[{"Config":"a"}]`), "missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, file := range []bool{false, true} {
				out, err := copied(t, c.archive, file, archive.SinkOptions{})
				if err == nil || transfer.KindOf(err) != transfer.KindBroken || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, not one that says %q", err, c.want)
				}
				if bytes.Contains(out, []byte("index.json")) {
					t.Error("an archive came of it")
				}
			}
		})
	}
}

func TestTruncated(t *testing.T) {
	m := testImage(2, "a:1")
	for name, b := range map[string][]byte{"docker": dockerArchive(t, m), "oci": oci(t, m)} {
		for n := 0; n < len(b)-512; n += 97 {
			_, err := copied(t, b[:n], n%2 == 0, archive.SinkOptions{})
			if err == nil {
				checkImages(t, describe(t, b[:n]), m) // all that it lists is there
			} else if transfer.KindOf(err) != transfer.KindBroken {
				t.Errorf("%s: cut to %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestBomb(t *testing.T) {
	b := compressed(t, "gzip", dockerArchive(t, testImage(2, "a:1")))
	_, err := archive.Open(t.Context(), bytes.NewReader(b), archive.Options{MaxSpool: 4096})
	if transfer.KindOf(err) != transfer.KindBroken || !strings.Contains(err.Error(), "decompresses to more than 4096 bytes") {
		t.Error(err)
	}
}

// TestXZWindow refuses a small file that would need much memory.
func TestXZWindow(t *testing.T) {
	var b bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 256 << 20}.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(dockerArchive(t, testImage(1, "a:1"))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, b.Bytes(), false); transfer.KindOf(err) != transfer.KindBroken || !strings.Contains(err.Error(), "it needs 268435456 bytes") {
		t.Error(err)
	}
}

func TestRootFS(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, n := range []string{".dockerenv", "etc/", "etc/hosts", "manifest.json", "home/me/oci/oci-layout", "home/me/oci/blobs/sha256/" + strings.Repeat("a", 64)} {
		h := &tar.Header{Name: n, Typeflag: tar.TypeReg}
		if strings.HasSuffix(n, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"", "gzip"} {
		in := b.Bytes()
		if form != "" {
			in = compressed(t, form, in)
		}
		src, err := open(t, in, true)
		if err != nil {
			t.Fatal(err)
		}
		if notes := src.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "root file system") {
			t.Errorf("notes %q", notes)
		}
		images := src.Images()
		if len(images) != 1 || len(images[0].Layers) != 1 || images[0].Layers[0].DiffID != digest.FromBytes(b.Bytes()) || len(images[0].Refs) != 0 {
			t.Fatalf("images %v", images)
		}
		images[0].Refs = []string{"debian:mine"}
		src.Select(images)
		var out bytes.Buffer
		if _, err := transfer.Copy(t.Context(), src, archive.NewSink(&out, archive.SinkOptions{}), transfer.Options{}); err != nil {
			t.Fatal(err)
		}
		got := describe(t, out.Bytes())
		if len(got) != 1 || got[0].Config != images[0].ID || !slices.Equal(got[0].Refs, images[0].Refs) {
			t.Errorf("came as %v", got)
		}
	}
	for n := 1; n < b.Len()-1024; n += 100 {
		if src, err := open(t, b.Bytes()[:n], true); transfer.KindOf(err) != transfer.KindBroken {
			t.Errorf("cut to %d bytes: %v, %v", n, src, err)
		}
	}
}

// TestPackedLayers reads a Docker archive whose layers are compressed: what only
// some stores can read comes decompressed.
func TestPackedLayers(t *testing.T) {
	m := testImage(2, "webapp:1.0")
	m.Layers = append(m.Layers, m.Layers[0])
	for _, form := range []string{"gzip", "zstd", "pzstd", "bzip2", "xz"} {
		b := rewrite(t, dockerArchive(t, m), func(h *tar.Header, b []byte) []byte {
			if strings.HasSuffix(h.Name, "layer.tar") {
				return compressed(t, form, b)
			}
			return b
		})
		for _, file := range []bool{true, false} {
			out, err := copied(t, b, file, archive.SinkOptions{})
			if err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			got := describe(t, out)
			checkImages(t, got, m)
			for _, l := range got[0].Layers {
				if plain := l.Digest == l.DiffID; plain != (form == "bzip2" || form == "xz") {
					t.Errorf("%s: layer %s came as %s", form, l.DiffID, l.Digest)
				}
			}
		}
		if form != "bzip2" && form != "xz" {
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := archive.Open(ctx, bytes.NewReader(b), archive.Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", form, err)
		}
		spoiled := rewrite(t, b, func(h *tar.Header, b []byte) []byte {
			if strings.HasSuffix(h.Name, "layer.tar") {
				return compressed(t, form, []byte("another layer"))
			}
			return b
		})
		if _, err := copied(t, spoiled, true, archive.SinkOptions{}); transfer.KindOf(err) != transfer.KindBroken || !strings.Contains(err.Error(), "corrupt") {
			t.Errorf("%s: another layer: %v", form, err)
		}
	}
}

// TestChangedArchives reads archives that tar --append changed, whose last member of a
// name counts, and those that lack the mark of their end, as engines do.
func TestChangedArchives(t *testing.T) {
	old, m := testImage(1, "old:1.0"), testImage(2, "webapp:1.0")
	for form, write := range map[string]func(testing.TB, ...throwaway.Image) []byte{"docker": dockerArchive, "oci": oci} {
		end := func(b []byte) []byte { return bytes.TrimRight(b, "\x00") }
		whole := end(write(t, m))
		whole = append(whole, make([]byte, -len(whole)&511)...)
		first := end(write(t, old))
		first = append(first, make([]byte, -len(first)&511)...)
		checkImages(t, describe(t, whole), m)
		checkImages(t, describe(t, append(first, write(t, m)...)), m)
		if _, err := open(t, whole[:len(whole)-512], true); transfer.KindOf(err) != transfer.KindBroken {
			t.Errorf("%s, cut in the last member: %v", form, err)
		}
	}
}

// TestOddConfig reads an image whose config has what only some engines take: it goes
// into a folder and into an archive.
func TestOddConfig(t *testing.T) {
	m := testImage(1, "webapp:1.0")
	id, odd := strings.TrimPrefix(m.ID(), "sha256:"), ""
	b := rewrite(t, dockerArchive(t, m), func(h *tar.Header, b []byte) []byte {
		if strings.HasPrefix(h.Name, id) {
			b = bytes.Replace(b, []byte(`"Cmd":["/app"]`), []byte(`"ExposedPorts":["80"],"Cmd":"/app"`), 1)
			odd = digest.FromBytes(b).Encoded()
			h.Name = odd + ".json"
		}
		return bytes.ReplaceAll(b, []byte(id), []byte(odd))
	})
	written, err := copied(t, b, true, archive.SinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{b, written} {
		src, err := open(t, b, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := src.Images()[0]; got.Config.Encoded() != odd || got.Platform.OS != "linux" {
			t.Errorf("%+v", got)
		}
		dst, err := folder.NewSink(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transfer.Copy(t.Context(), src, dst, transfer.Options{}); err != nil {
			t.Error(err)
		}
	}
}

// TestNamesOfArchives opens archives whose names no image can have: they are there
// to be replaced, and a sink takes none of them.
func TestNamesOfArchives(t *testing.T) {
	for name, want := range map[string][]string{"bazel/MyImage:tag": {"bazel/MyImage:tag"}, "<none>:<none>": nil, "": nil} {
		m := testImage(1, "webapp:1.0")
		for form, b := range map[string][]byte{"docker": dockerArchive(t, m), "oci": oci(t, m)} {
			b = rewrite(t, b, func(_ *tar.Header, b []byte) []byte {
				return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("docker.io/library/webapp:1.0"), []byte(name)), []byte("webapp:1.0"), []byte(name))
			})
			src, err := open(t, b, true)
			if err != nil {
				t.Fatalf("%s %q: %v", form, name, err)
			}
			images := src.Images()
			if form == "docker" && !slices.Equal(images[0].Refs, want) {
				t.Errorf("%s %q: the names are %q", form, name, images[0].Refs)
			}
			if _, err := transfer.Copy(t.Context(), src, archive.NewSink(io.Discard, archive.SinkOptions{}), transfer.Options{}); len(images[0].Refs) > 0 && err == nil {
				t.Errorf("%s %q was taken", form, name)
			}
			images[0].Refs = []string{"good:1"}
			if src, err = open(t, b, true); err != nil {
				t.Fatal(err)
			}
			src.Select(images)
			if _, err := transfer.Copy(t.Context(), src, archive.NewSink(io.Discard, archive.SinkOptions{}), transfer.Options{}); err != nil {
				t.Errorf("%s %q as good:1: %v", form, name, err)
			}
		}
	}
}

// TestLayersLeftOut reads a Docker archive without a layer: it is whole for a host
// that has the layer, and knows sizes.
func TestLayersLeftOut(t *testing.T) {
	m := testImage(2, "webapp:1.0")
	base := dockerLayer(t, testImage(1, "base:1"))
	b := rewrite(t, dockerArchive(t, m), func(h *tar.Header, b []byte) []byte {
		if h.Name == base {
			return nil
		}
		return b
	})
	src, err := open(t, b, true)
	if err != nil {
		t.Fatal(err)
	}
	o := &transfer.Offer{Images: src.Images()}
	var put []digest.Digest
	w := putter(func(d digest.Digest) { put = append(put, d) })
	plan := func(have, sizes bool) *transfer.Plan {
		return &transfer.Plan{KnowsSizes: sizes, Images: []transfer.ImagePlan{{Status: transfer.Take, Have: []bool{have, false}}}}
	}
	for _, bad := range []*transfer.Plan{plan(false, true), plan(true, false)} {
		if _, err := src.Export(t.Context(), o, bad, w); transfer.KindOf(err) != transfer.KindBroken || len(put) > 0 {
			t.Errorf("%+v: %v, %d blobs", bad, err, len(put))
		}
	}
	if _, err := src.Export(t.Context(), o, plan(true, true), w); err != nil || len(put) != 2 {
		t.Errorf("%v, %d blobs", err, len(put))
	}
}

// A putter is told which blobs are put.
type putter func(digest.Digest)

func (p putter) Put(_ context.Context, d ocispec.Descriptor, r io.Reader) error {
	p(d.Digest)
	_, err := io.Copy(io.Discard, r)
	return err
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "out.tar.zst")
	m := testImage(2, "webapp:1.0")
	try := func(ctx context.Context, b []byte) error {
		src, err := open(t, b, true)
		if err != nil {
			t.Fatal(err)
		}
		dst, err := archive.Create(ctx, name, archive.FileOptions{Compress: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = transfer.Copy(ctx, src, dst, transfer.Options{})
		return err
	}
	files := func() []string {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range list {
			names = append(names, e.Name())
		}
		return names
	}
	layer := dockerLayer(t, m)
	bad := rewrite(t, dockerArchive(t, m), func(h *tar.Header, b []byte) []byte {
		if strings.Contains(h.Name, layer) {
			b[0] ^= 1
		}
		return b
	})
	if err := try(t.Context(), bad); err == nil || len(files()) > 0 {
		t.Fatalf("a failure left %v, %v", files(), err)
	}
	if err := try(t.Context(), dockerArchive(t, m)); err != nil {
		t.Fatal(err)
	}
	if got := files(); !slices.Equal(got, []string{"out.tar.zst"}) {
		t.Errorf("files %v", got)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	checkImages(t, describe(t, b), m)
	if _, err := archive.Create(t.Context(), dir, archive.FileOptions{}); transfer.KindOf(err) != transfer.KindUsage {
		t.Error(err)
	}
}

// FuzzOpen reads archives: what is taken is either copied whole or fails.
func FuzzOpen(f *testing.F) {
	m := testImage(2, "a:1")
	for _, b := range [][]byte{dockerArchive(f, m), oci(f, m), compressed(f, "gzip", dockerArchive(f, m)), compressed(f, "xz", oci(f, m))} {
		src, err := archive.Open(context.Background(), bytes.NewReader(b), archive.Options{})
		if err != nil || len(src.Images()) != 1 {
			f.Fatalf("a seed is not understood: %v", err)
		}
		src.Close(nil)
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		src, err := archive.Open(t.Context(), bytes.NewReader(b), archive.Options{MaxSpool: 1 << 20})
		if err != nil {
			return
		}
		n := len(src.Images())
		var out bytes.Buffer
		rep, err := transfer.Copy(t.Context(), src, archive.NewSink(&out, archive.SinkOptions{}), transfer.Options{})
		if err == nil && rep.Images != n {
			t.Errorf("%d of %d images", rep.Images, n)
		}
	})
}
