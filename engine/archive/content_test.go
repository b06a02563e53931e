package archive_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestContent takes layers with everything that a file system can hold, and a
// large config, from an archive into every engine and out of it again. A DiffID is
// the digest of a whole layer, so equal ones are equal files.
func TestContent(t *testing.T) {
	made, want := contentArchive(t)
	for _, spec := range throwawaytest.Specs(t) {
		t.Run(spec.Name, func(t *testing.T) {
			h := find(t, throwawaytest.Start(t, spec))
			src, err := open(t, made, true)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := transfer.Copy(t.Context(), src, engine.NewSink(t.Context(), h), transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			got := describe(t, fromEngine(t, h, "content:1"))
			if len(got) != 1 || got[0].Config != want.Config {
				t.Fatalf("came back as %+v, with a config other than %s", got, want.Config)
			}
			for i, l := range got[0].Layers {
				if l.DiffID != want.Layers[i].DiffID {
					t.Errorf("layer %d came back as %s, not %s", i+1, l.DiffID, want.Layers[i].DiffID)
				}
			}
		})
	}
	// And from the archive into another one.
	again, err := copied(t, made, false, archive.SinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(t, again); got[0].Config != want.Config {
		t.Errorf("the archive came back as %+v", got)
	}
}

// contentArchive makes an archive of one image in Docker's format.
func contentArchive(t *testing.T) ([]byte, transfer.Image) {
	t.Helper()
	long := strings.Repeat("n", 255)
	when := time.Unix(1_700_000_000, 123_456_789)
	file := func(name string, size int64, edit func(*tar.Header)) *tar.Header {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: when, Format: tar.FormatPAX}
		if edit != nil {
			edit(h)
		}
		return h
	}
	special := func(name string, kind byte, edit func(*tar.Header)) *tar.Header {
		h := file(name, 0, edit)
		h.Typeflag = kind
		return h
	}
	layers := [][]byte{
		layerOf(t,
			special("etc/", tar.TypeDir, func(h *tar.Header) { h.Mode = 0o755 }),
			file("etc/old", 3, nil),
			file("etc/gone", 3, nil),
			file("etc/setuid", 9, func(h *tar.Header) { h.Mode, h.Uid, h.Gid = 0o4755, 1234, 100_000 }),
			special("etc/hard", tar.TypeLink, func(h *tar.Header) { h.Linkname = "etc/old" }),
			special("etc/soft", tar.TypeSymlink, func(h *tar.Header) { h.Linkname = "../nowhere" }),
			special("dev/", tar.TypeDir, func(h *tar.Header) { h.Mode = 0o755 }),
			special("dev/zero", tar.TypeChar, func(h *tar.Header) { h.Devmajor, h.Devminor = 1, 5 }),
			special("dev/pipe", tar.TypeFifo, nil),
			file("xattr", 1, func(h *tar.Header) {
				h.PAXRecords = map[string]string{"SCHILY.xattr.user.who": "us", "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
			}),
			file("Grüße ✓ 日本", 5, nil),
			file(long, 7, nil),
			file("empty", 0, nil),
		),
		layerOf(t), // empty
		layerOf(t,
			special("etc/", tar.TypeDir, func(h *tar.Header) { h.Mode = 0o755 }),
			file("etc/.wh.gone", 0, nil),
			special("dev/", tar.TypeDir, func(h *tar.Header) { h.Mode = 0o755 }),
			file("dev/.wh..wh..opq", 0, nil),
			file("etc/old", 4, nil),
		),
	}
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}}
	config.Config.Labels = map[string]string{"large": strings.Repeat("x", 512<<10)}
	config.RootFS.Type = "layers"
	m := transfer.Image{}
	var members []member
	var paths []string
	for i, b := range layers {
		d := digest.FromBytes(b)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, d)
		m.Layers = append(m.Layers, transfer.Layer{DiffID: d})
		paths = append(paths, string(rune('a'+i))+"/layer.tar")
		members = append(members, member{paths[i], b})
	}
	c, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	m.Config = digest.FromBytes(c)
	name := m.Config.Encoded() + ".json"
	list, err := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{"content:1"}, "Layers": paths}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, e := range append(members, member{name, c}, member{"manifest.json", list}) {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: int64(len(e.body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), m
}

type member struct {
	name string
	body []byte
}

// layerOf makes a layer of these members, files full of "f".
func layerOf(t *testing.T, headers ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, h := range headers {
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(bytes.Repeat([]byte("f"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
