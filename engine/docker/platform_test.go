package docker_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A platformImage is an image of several platforms, one layer each.
type platformImage struct {
	ref       string
	root      digest.Digest
	manifests map[string]digest.Digest // by architecture
	archive   []byte
}

// platformsOf makes an image of these architectures of linux, with an
// attestation, that lists s390x besides.
func platformsOf(t *testing.T, ref string, seed uint64, archs ...string) *platformImage {
	t.Helper()
	m := &platformImage{ref: ref, manifests: map[string]digest.Digest{}}
	w := throwawaytest.NewLayout(t)
	var list []ocispec.Descriptor
	for i, arch := range archs {
		var tar bytes.Buffer
		if err := (throwaway.Layer{Size: 100_000, Seed: seed + uint64(i)}).WriteTar(&tar); err != nil {
			t.Fatal(err)
		}
		list = append(list, w.Manifest(ocispec.Platform{OS: "linux", Architecture: arch}, w.Put(ocispec.MediaTypeImageLayer, tar.Bytes())))
	}
	list = append(list, w.Attestation(list[0], w.Put("application/vnd.in-toto+json", []byte(`{"of":"`+ref+`"}`))))
	for _, d := range list {
		m.manifests[d.Platform.Architecture] = d.Digest
	}
	root := w.Index(append(list, throwawaytest.Absent(ocispec.Platform{OS: "linux", Architecture: "s390x"}))...)
	m.root, m.archive = root.Digest, w.End(root, ref)
	return m
}

// TestPlatforms sends images of several platforms between containerd stores:
// all that is there, attestations included, and one platform that is picked.
func TestPlatforms(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		seed := uint64(len(spec.Name)) << 20
		for what, archs := range map[string][]string{"here": {runtime.GOARCH}, "several": {runtime.GOARCH, "riscv64"}, "foreign": {"mips64le", "riscv64"}} {
			t.Run(what, func(t *testing.T) {
				seed += 100
				m := platformsOf(t, fmt.Sprintf("platforms%d:1", seed), seed, archs...)
				loadBytes(t, from, m.archive)
				src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.ref}}, store.SourceOptions{})
				if err != nil {
					t.Fatal(err)
				}
				notes := strings.Join(src.Notes(), "; ")
				if notes != m.ref+" lists linux/s390x, which is not here" {
					t.Errorf("notes %q", notes)
				}
				exporter := exportTo(t, src, open(t, to))
				if exporter != "read" {
					t.Errorf("left by %q", exporter)
				}
				if got := id(t, to, m.ref); got != m.root {
					t.Errorf("%s arrived as %s", m.root, got)
				}
				saved := readBlobs(t, to, m.ref)
				for name, d := range m.manifests {
					if !saved[d] {
						t.Errorf("the manifest for %s did not arrive", name)
					}
				}
				rep, _ := copyImages(t, from, to, m.ref)
				if rep.Bytes != 0 {
					t.Errorf("sent again: %d bytes", rep.Bytes)
				}
				leftovers(t, from, to)
			})
		}
	})
}

// TestPickPlatform sends one of several platforms.
func TestPickPlatform(t *testing.T) {
	other := &ocispec.Platform{OS: "linux", Architecture: "riscv64"}
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		m := platformsOf(t, "pick"+spec.Name+":1", uint64(len(spec.Name))<<32, runtime.GOARCH, "riscv64")
		loadBytes(t, from, m.archive)
		src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.ref, As: "picked:1"}}, store.SourceOptions{Platform: other})
		if err != nil {
			t.Fatal(err)
		}
		if got := exportTo(t, src, open(t, to)); got != "read" {
			t.Errorf("left by %q", got)
		}
		if got := id(t, to, "picked:1"); got != m.manifests["riscv64"] {
			t.Errorf("picked:1 arrived as %s, not %s", got, m.manifests["riscv64"])
		}
		leftovers(t, from, to)
		removeImage(t, to, "picked:1")
		_, err = docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.ref}}, store.SourceOptions{Platform: &ocispec.Platform{OS: "linux", Architecture: "s390x"}})
		wantError(t, err, transfer.KindUsage, "is not here for linux/s390x")
		if !strings.Contains(hint(err), "linux/riscv64") {
			t.Errorf("hint %q", hint(err))
		}
	})
}

// TestPickOnlyPlatform asks engines whose images have one platform for that one
// and for another.
func TestPickOnlyPlatform(t *testing.T) {
	for _, spec := range specs(t) {
		if spec.Containerd {
			continue
		}
		t.Run(spec.Name, func(t *testing.T) {
			from := pool.Get(t, spec, "sender")
			v1, _ := versions("only" + spec.Name)
			load(t, from, v1)
			for arch, ok := range map[string]bool{runtime.GOARCH: true, "s390x": false} {
				_, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: v1.Ref}}, store.SourceOptions{Platform: &ocispec.Platform{OS: "linux", Architecture: arch}})
				if ok && err != nil {
					t.Error(err)
				}
				if !ok {
					wantError(t, err, transfer.KindUsage, "not linux/s390x")
				}
			}
		})
	}
}

// exportTo copies and returns by which exporter the only image left.
func exportTo(t *testing.T, src *docker.Source, to *docker.Engine) string {
	t.Helper()
	var ran []string
	src.OnExport = func(_ *transfer.Image, exporter, why string) {
		ran = append(ran, exporter)
		t.Logf("%s: %s", exporter, why)
	}
	if _, err := transfer.Copy(t.Context(), src, docker.NewSink(to), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(ran, " ")
}

func loadBytes(t *testing.T, e *throwaway.Engine, archive []byte) {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	resp, err := c.ImageLoad(t.Context(), bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Contains(b, []byte("Loaded image")) {
		t.Fatalf("load: %s %v", b, err)
	}
}

// readBlobs returns the blobs that an image is saved with.
func readBlobs(t *testing.T, e *throwaway.Engine, ref string) map[digest.Digest]bool {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body, err := c.ImageSave(t.Context(), []string{ref})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	blobs := map[digest.Digest]bool{}
	for tr := tar.NewReader(body); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return blobs
		}
		if err != nil {
			t.Fatal(err)
		}
		blobs[digest.NewDigestFromEncoded(digest.SHA256, path.Base(h.Name))] = true
	}
}

func removeImage(t *testing.T, e *throwaway.Engine, ref string) {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ImageRemove(t.Context(), ref, image.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
}
