package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// stores runs a test for every containerd store of the matrix.
func stores(t *testing.T, test func(t *testing.T, spec throwaway.Spec)) {
	for _, spec := range specs(t) {
		if spec.Containerd {
			t.Run(spec.Name, func(t *testing.T) { test(t, spec) })
		}
	}
}

// TestRead exports from containerd stores: the IDs stay, shared layers go over
// once, and an image without a name needs none.
func TestRead(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := start(t, spec), pool.Get(t, spec, "receiver")
		defer from.Stop()
		v1, v2 := versions("read " + spec.Name)
		unnamed, _ := versions("unnamed " + spec.Name)
		unnamed.Ref = ""
		load(t, from, unnamed)
		c, err := from.Client()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		list, err := c.ImageList(t.Context(), allImages)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		load(t, from, v1, v2)
		src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: v1.Ref}, {Image: v2.Ref}, {Image: list[0].ID, As: "once-unnamed:1"}}, store.SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := exportTo(t, src, open(t, to)); got != "read read read" {
			t.Errorf("left by %q", got)
		}
		for _, m := range []string{v1.Ref, v2.Ref} {
			if a, b := id(t, from, m), id(t, to, m); a != b {
				t.Errorf("%s was %s and arrived as %s", m, a, b)
			}
		}
		if got := id(t, to, "once-unnamed:1"); got.String() != list[0].ID {
			t.Errorf("%s arrived as %s", list[0].ID, got)
		}
		if now, err := c.ImageList(t.Context(), allImages); err != nil || len(now) != 3 {
			t.Errorf("afterwards there is %v, %v", now, err)
		}
		leftovers(t, to)
	})
}

// TestReadUnserved exports from containerd stores whose content a proxy hides:
// images are saved, a platform cannot be picked, and the same image arrives.
func TestReadUnserved(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		v1, v2 := versions("unserved " + spec.Name)
		load(t, from, v1, v2)
		hidden := behind(t, from, "unix", noGRPC)
		src, err := docker.NewSource(t.Context(), hidden, []store.Request{{Image: v1.Ref}}, store.SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if notes := src.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], "the engine exports whole images, which is slow") {
			t.Errorf("notes: %q", notes)
		}
		var why string
		src.OnExport = func(_ *transfer.Image, exporter, w string) { why = exporter + ": " + w }
		if _, err := transfer.Copy(t.Context(), src, docker.NewSink(open(t, to)), transfer.Options{}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(why, "save: containerd store, which serves no content") {
			t.Errorf("left by %q", why)
		}
		// And as a receiver it takes everything.
		src, err = docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: v2.Ref}}, store.SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := transfer.Copy(t.Context(), src, docker.NewSink(behind(t, to, "unix", noGRPC)), transfer.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, m := range []string{v1.Ref, v2.Ref} {
			if a, b := id(t, from, m), id(t, to, m); a != b {
				t.Errorf("%s was %s and arrived as %s", m, a, b)
			}
		}
		_, err = docker.NewSource(t.Context(), hidden, []store.Request{{Image: v1.Ref}}, store.SourceOptions{Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}})
		wantError(t, err, transfer.KindUsage, "cannot pick a platform")
		leftovers(t, from, to)
	})
}

// TestReadRemote has both engines behind addresses that may be other hosts', over
// TCP and through a command as ssh: what is there is not sent.
func TestReadRemote(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		remote := map[string]func(e *throwaway.Engine) *docker.Engine{
			"tcp": func(e *throwaway.Engine) *docker.Engine {
				return behind(t, e, "tcp", func(*http.Request) bool { return true })
			},
			"ssh": func(e *throwaway.Engine) *docker.Engine { return overSSH(t, e) },
		}
		for name, via := range remote {
			t.Run(name, func(t *testing.T) {
				v1, v2 := versions(name + " remote " + spec.Name)
				load(t, from, v1, v2)
				load(t, to, v1)
				src, err := docker.NewSource(t.Context(), via(from), []store.Request{{Image: v2.Ref}}, store.SourceOptions{})
				if err != nil {
					t.Fatal(err)
				}
				rep, err := transfer.Copy(t.Context(), src, docker.NewSink(via(to)), transfer.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if limit := v2.Layers[len(v2.Layers)-1].TarSize() + 16<<10; rep.Bytes > limit {
					t.Errorf("sent %d bytes, over %d", rep.Bytes, limit)
				}
				if a, b := id(t, from, v2.Ref), id(t, to, v2.Ref); a != b {
					t.Errorf("%s was %s and arrived as %s", v2.Ref, a, b)
				}
			})
		}
		leftovers(t, from, to)
	})
}

// overSSH opens an engine by an ssh:// address. The ssh program is one that runs
// what the real one would run on the other host, docker system dial-stdio, here.
func overSSH(t *testing.T, e *throwaway.Engine) *docker.Engine {
	t.Helper()
	command, err := exec.LookPath("docker")
	if err != nil {
		t.Skip("no docker command here")
	}
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec %s -H %s system dial-stdio\n", command, e.Host())
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	h, err := docker.Find(t.Context(), "ssh://user@farhost")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// TestReadDamaged has a blob vanish under the engine that lists it, or change. Where
// it is wanted the error names it. Where it is not, nothing is said.
func TestReadDamaged(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"gone": os.Remove,
		"changed": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) { testReadDamaged(t, name, damage) })
	}
}

func testReadDamaged(t *testing.T, name string, damage func(path string) error) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.Get(t, spec, "receiver")
		spec.Data = throwaway.OnDisk // where this test sees it
		from := start(t, spec)
		defer from.Stop()
		v1, v2 := versions(name + " " + spec.Name)
		load(t, from, v1, v2)
		load(t, to, v1)
		lost := described(t, from, v1.Ref).Layers[0].Digest
		damageBlob(t, from, lost, damage)
		if _, arrivals := copyImages(t, from, to, v2.Ref); len(arrivals) != 1 {
			t.Errorf("arrived: %v", arrivals)
		}
		remove(t, to, v1.Ref)
		remove(t, to, v2.Ref)
		other := pool.Get(t, spec, "without")
		_, _, err := tryCopy(t, from, other, store.Request{Image: v1.Ref})
		wantError(t, err, transfer.KindEngine, lost.String())
		if !strings.Contains(hint(err), "pull") {
			t.Errorf("hint %q", hint(err))
		}
		absent(t, other, v1.Ref)
		leftovers(t, other)
	})
}

// damageBlob damages a blob's file in the engine's data.
func damageBlob(t *testing.T, e *throwaway.Engine, d digest.Digest, damage func(path string) error) {
	t.Helper()
	damaged := false
	err := filepath.WalkDir(e.DataRoot(), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "/blobs/sha256/"+d.Encoded()) {
			damaged = true
			return damage(path)
		}
		return nil
	})
	if err != nil || !damaged {
		t.Fatalf("blob %s not damaged below %s: %v", d, e.DataRoot(), err)
	}
}

// TestReadDocuments sends an image with 40 MB of attestations and with an
// uncompressed layer that looks like a document at its beginning.
func TestReadDocuments(t *testing.T) {
	stores(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		ref := "documents-" + spec.Name + ":1"
		archive, blobs := documented(t, ref)
		loadBytes(t, from, archive)
		for name, source := range map[string]*docker.Engine{"read": open(t, from), "save": behind(t, from, "unix", noGRPC)} {
			src, err := docker.NewSource(t.Context(), source, []store.Request{{Image: ref}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := exportTo(t, src, open(t, to)); got != name {
				t.Errorf("left by %q, not %q", got, name)
			}
			there := readBlobs(t, to, ref)
			for _, d := range blobs {
				if !there[d] {
					t.Errorf("%s: %s did not arrive", name, d)
				}
			}
			removeImage(t, to, ref)
		}
		leftovers(t, from, to)
	})
}

// documented returns an archive of such an image, and its blobs but for configs
// and manifests.
func documented(t *testing.T, ref string) (archive []byte, blobs []digest.Digest) {
	t.Helper()
	w := throwawaytest.NewLayout(t)
	put := func(media string, b []byte) ocispec.Descriptor {
		d := w.Put(media, b)
		blobs = append(blobs, d.Digest)
		return d
	}
	image := w.Manifest(ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}, put(ocispec.MediaTypeImageLayer, braceLayer(t, ref)))
	var sboms []ocispec.Descriptor
	for i := range 10 {
		sbom := fmt.Sprintf(`{"of":%q,"part":%d,"packages":%q}`, ref, i, strings.Repeat("x", 4<<20-100))
		sboms = append(sboms, put("application/vnd.in-toto+json", []byte(sbom)))
	}
	return w.End(w.Index(image, w.Attestation(image, sboms...)), ref), blobs
}

// braceLayer returns a layer whose first file has a name that begins with a brace.
func braceLayer(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: `{"a":1}`, Size: int64(len(content)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(tw, content); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A slowSink takes longer for its first layer than any engine waits for an answer.
type slowSink struct {
	transfer.Sink
	pause time.Duration
	done  bool
}

func (s *slowSink) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if !s.done && d.Size > 64<<10 {
		s.done = true
		select {
		case <-time.After(s.pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.Sink.Put(ctx, d, r)
}

// TestSlowLine sends several layers of which the first takes 35 s on the line.
// containerd's client gives a push up that is not answered for 30 s.
func TestSlowLine(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 35 s")
	}
	newest := map[string]throwaway.Spec{}
	for _, spec := range specs(t) { // they come from old to new
		newest[fmt.Sprint(spec.Kind, spec.Containerd)] = spec
	}
	for _, spec := range newest {
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			from, to := start(t, spec), start(t, spec)
			defer from.Stop()
			defer to.Stop()
			base, m := update("slow "+spec.Name, 3)
			load(t, from, base, m)
			load(t, to, base)
			ran, err := push(t.Context(), t, from, to, nil, hooked{Sink: &slowSink{Sink: docker.NewSink(open(t, to)), pause: 35 * time.Second}}, m.Ref)
			want := "push"
			if spec.Containerd {
				want = "read"
			}
			if err != nil || strings.Join(ran, " ") != want {
				t.Fatalf("left by %q, %v", ran, err)
			}
			checkLayers(t, to, m)
			leftovers(t, from, to)
		})
	}
}

// BenchmarkRead describes an image of a containerd store and reads it whole.
func BenchmarkRead(b *testing.B) {
	specs, _ := throwaway.Available(os.Getenv("IMGSEND_ENGINES"))
	for _, spec := range specs {
		if !spec.Containerd {
			continue
		}
		b.Run(spec.Name, func(b *testing.B) {
			from, err := throwaway.Start(b.Context(), spec)
			if err != nil {
				b.Fatal(err)
			}
			defer from.Stop()
			m := throwaway.Image{Ref: "bench:" + strings.ToLower(rand.Text()[:8]), Cmd: []string{"/x"}}
			for i, size := range []int64{170 << 20, 150 << 20, 2500} {
				m.Layers = append(m.Layers, throwaway.Layer{Size: size, Seed: uint64(i + 1), Kind: throwaway.Random})
			}
			if err := throwaway.LoadPulled(b.Context(), from, m); err != nil {
				b.Fatal(err)
			}
			e, err := docker.Find(b.Context(), from.Host())
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			b.Run("describe", func(b *testing.B) {
				for b.Loop() {
					if _, err := docker.NewSource(b.Context(), e, []store.Request{{Image: m.Ref}}, store.SourceOptions{}); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("export", func(b *testing.B) {
				for b.Loop() {
					src, err := docker.NewSource(b.Context(), e, []store.Request{{Image: m.Ref}}, store.SourceOptions{})
					if err != nil {
						b.Fatal(err)
					}
					rep, err := transfer.Copy(b.Context(), src, &discard{}, transfer.Options{})
					if err != nil {
						b.Fatal(err)
					}
					b.SetBytes(rep.Bytes)
				}
			})
		})
	}
}
