package containerd_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const arch = runtime.GOARCH

// TestForeign sends an image of another architecture: it is verified, and unpacked
// all the same.
func TestForeign(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.Get(t, spec, "receiver")
		v1, _ := versions("foreign " + spec.Name)
		v1.Arch = "s390x"
		f := file(t)
		f.load(t, v1)
		copied(t, f.source(t, v1.Ref), sink(t, open(t, to, "foreign")))
		garbage(t, to, "foreign")
		s := open(t, to, "foreign")
		o, err := source(t, s, v1.Ref).Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m := o.Images[0]; m.Config.String() != v1.ID() || m.Platform.Architecture != "s390x" {
			t.Errorf("it is %s for %s", m.Config, m.Platform.Architecture)
		}
		if n := strings.Count(throwawaytest.Ctr(t, to, "-n", "foreign", "snapshots", "list"), "Committed"); n != len(v1.Layers) {
			t.Errorf("%d layers are unpacked", n)
		}
		_, err = s.Source(t.Context(), requests(v1.Ref), store.SourceOptions{Platform: &ocispec.Platform{OS: "linux", Architecture: "ppc64le"}})
		if transfer.KindOf(err) != transfer.KindUsage || !strings.Contains(hint(err), "linux/s390x") {
			t.Errorf("%v, hint %q", err, hint(err))
		}
		if _, err = s.Source(t.Context(), requests(v1.Ref), store.SourceOptions{Platform: &ocispec.Platform{OS: "linux", Architecture: "s390x"}}); err != nil {
			t.Error(err)
		}
	})
}

// TestUpperCase sends an image whose OS is "Linux": it is for this host, and unpacked.
func TestUpperCase(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.Get(t, spec, "receiver")
		w := throwawaytest.NewLayout(t)
		m := w.Manifest(ocispec.Platform{OS: "Linux", Architecture: arch}, w.Put(ocispec.MediaTypeImageLayer, make([]byte, 1024)))
		path := filepath.Join(t.TempDir(), "upper.tar")
		if err := os.WriteFile(path, w.End(m, "upper:1"), 0o600); err != nil {
			t.Fatal(err)
		}
		copied(t, openArchive(t, path), sink(t, open(t, to, "upper")))
		if n := strings.Count(throwawaytest.Ctr(t, to, "-n", "upper", "snapshots", "list"), "Committed"); n != 1 {
			t.Errorf("%d layers are unpacked", n)
		}
	})
}

// indexed writes an archive with an image of two platforms, one of which is this
// one, and an attestation. It returns its index.
func indexed(t *testing.T, ref string) (path string, root digest.Digest, attestation digest.Digest) {
	t.Helper()
	w := throwawaytest.NewLayout(t)
	var list []ocispec.Descriptor
	for i, a := range []string{arch, "s390x"} {
		layer := w.Put(ocispec.MediaTypeImageLayer, make([]byte, 1024*(i+2))) // empty tars
		list = append(list, w.Manifest(ocispec.Platform{OS: "linux", Architecture: a}, layer))
	}
	statement := w.Put("application/vnd.in-toto+json", []byte(`{"_type":"https://in-toto.io/Statement/v0.1"}`))
	index := w.Index(append(list, w.Attestation(list[0], statement))...)
	path = filepath.Join(t.TempDir(), "index.tar")
	if err := os.WriteFile(path, w.End(index, ref), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, index.Digest, statement.Digest
}

// TestLoaded checks that each layer is reported as loaded that was not here, and those of
// this platform as soon as they are unpacked.
func TestLoaded(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.Get(t, spec, "receiver")
		v1, v2 := versions("loaded " + spec.Name)
		foreign, _ := versions("loaded elsewhere " + spec.Name)
		foreign.Ref, foreign.Arch = "foreign:1", "s390x"
		f := file(t)
		f.load(t, v1, v2, foreign)
		d := open(t, to, "loaded")
		copied(t, f.source(t, v1.Ref), sink(t, d))
		for _, ref := range []string{v2.Ref, foreign.Ref} {
			var p transfer.Progress
			_, err := transfer.Copy(t.Context(), f.source(t, ref), sink(t, d), transfer.Options{Progress: &p})
			if err != nil {
				t.Fatal(err)
			}
			if l := p.Loaded(); l.Of == 0 || l.Layers != l.Of || l.Total == 0 || l.Bytes != l.Total {
				t.Errorf("%s: %+v", ref, l)
			}
		}
		dst := sink(t, d)
		reported := 0
		dst.ReportTo(func(digest.Digest, float64) { reported++ })
		v2.Ref, v2.Cmd = "again:1", []string{"/again"}
		f = file(t)
		f.load(t, v2)
		src := f.source(t, v2.Ref)
		o, err := src.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dst.Plan(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if err := dst.FinishUnpacking(); err != nil || reported != len(v2.Layers) {
			t.Errorf("%d layers were reported before the end, %v", reported, err)
		}
		_, _ = dst.Close(nil), src.Close(nil)
	})
}

// TestPlatforms sends an image of two platforms with an attestation: all of it, and
// then one of the platforms.
func TestPlatforms(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		one, two := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		path, root, statement := indexed(t, "platforms:1")
		s, d := open(t, one, "platforms"), open(t, two, "platforms")
		copied(t, openArchive(t, path), sink(t, s))
		_, arrivals := copied(t, source(t, s, "platforms:1"), sink(t, d))
		if len(arrivals) != 1 || arrivals[0].New != root {
			t.Errorf("the index was %s, arrived: %v", root, arrivals)
		}
		collect(t, two, "platforms")
		// An index, three manifests, three configs, two layers, a statement.
		list := strings.Fields(throwawaytest.Ctr(t, two, "-n", "platforms", "content", "list", "-q"))
		if len(list) != 10 || !slices.Contains(list, statement.String()) {
			t.Errorf("%d blobs: %v", len(list), list)
		}
		if n := strings.Count(throwawaytest.Ctr(t, two, "-n", "platforms", "snapshots", "list"), "Committed"); n != 1 {
			t.Errorf("%d layers are unpacked, not that of this platform", n)
		}
		src, err := s.Source(t.Context(), requests("platforms:1"), store.SourceOptions{Platform: &ocispec.Platform{OS: "linux", Architecture: "s390x"}})
		if err != nil {
			t.Fatal(err)
		}
		copied(t, src, sink(t, open(t, two, "platform")))
		collect(t, two, "platform")
		if list := strings.Fields(throwawaytest.Ctr(t, two, "-n", "platform", "content", "list", "-q")); len(list) != 3 {
			t.Errorf("%d blobs of one platform: %v", len(list), list)
		}
	})
}

// TestCrossStore sends, from stores that know no compressed blobs, an image whose
// base is there as it comes from a registry: only the layer on top goes over.
func TestCrossStore(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.Get(t, spec, "receiver")
		for _, f := range others(t) {
			if f.kept {
				continue
			}
			v1, v2 := versions("cross " + f.name + " " + spec.Name)
			f.load(t, v1, v2)
			if err := throwaway.LoadPulled(t.Context(), to, v1); err != nil {
				t.Fatal(err)
			}
			s := open(t, to, "")
			before := rootOf(t, s, v1.Ref)
			rep, _ := copied(t, f.source(t, v2.Ref), sink(t, s))
			if limit := v2.Layers[len(v2.Layers)-1].TarSize() + 16<<10; rep.Bytes > limit {
				t.Errorf("%s: sent %d bytes, over %d", f.name, rep.Bytes, limit)
			}
			check(t, to, "default", v2)
			if again, _ := copied(t, f.source(t, v2.Ref), sink(t, s)); again.Bytes != 0 {
				t.Errorf("%s: sent again: %d bytes", f.name, again.Bytes)
			}
			if after := rootOf(t, s, v1.Ref); after != before {
				t.Errorf("%s: the base was %s and is %s", f.name, before, after)
			}
		}
	})
}

// TestHave looks whether the blobs of an image are listed, and no others.
func TestHave(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		v1, v2 := versions("have " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1, v2); err != nil {
			t.Fatal(err)
		}
		s, d := open(t, from, ""), open(t, to, "have")
		copied(t, source(t, s, v1.Ref), sink(t, d))
		list, err := d.HaveList(t.Context(), "there")
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Layers) != len(v1.Layers)+2 {
			t.Errorf("%d blobs, not %d layers, a config and a manifest", len(list.Layers), len(v1.Layers))
		}
		o, err := source(t, s, v2.Ref).Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if have := list.Have(o.Images[0]); !slices.Equal(have, []bool{true, true, true, false}) {
			t.Errorf("have %v", have)
		}
	})
}

// TestOtherNamespace sends an image that another namespace has: containerd keeps one
// copy of the blobs, and they are this namespace's, too.
func TestOtherNamespace(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		v1, _ := versions("namespace " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1); err != nil {
			t.Fatal(err)
		}
		for _, ns := range []string{"one", "two"} {
			copied(t, source(t, open(t, from, ""), v1.Ref), sink(t, open(t, to, ns)))
			check(t, to, ns, v1)
		}
	})
}

// TestUnpackedLater has blobs of an image there that is not unpacked.
func TestUnpackedLater(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		to := pool.Get(t, spec, "receiver")
		f := file(t)
		v1, _ := versions("later " + spec.Name)
		f.load(t, v1)
		s := open(t, to, "later")
		copied(t, f.source(t, v1.Ref), sink(t, s))
		list := throwawaytest.Ctr(t, to, "-n", "later", "snapshots", "list")
		lines := strings.Split(strings.TrimSpace(list), "\n")[1:]
		// The label keeps them, and each the one below.
		throwawaytest.Ctr(t, to, "-n", "later", "content", "label", v1.ID(), "containerd.io/gc.ref.snapshot.overlayfs=")
		for range lines {
			for _, l := range lines {
				argv := to.Ctr("-n", "later", "snapshots", "remove", strings.Fields(l)[0])
				_ = run(t, argv) // those that others stand on fail
			}
		}
		if list := throwawaytest.Ctr(t, to, "-n", "later", "snapshots", "list"); strings.Contains(list, "sha256:") {
			t.Fatalf("still there:\n%s", list)
		}
		rep, _ := copied(t, f.source(t, v1.Ref), sink(t, s))
		if rep.Bytes != 0 {
			t.Errorf("sent %d bytes", rep.Bytes)
		}
		check(t, to, "later", v1)
	})
}

// TestOtherDigests plans for an image with a layer by SHA-512, which the content store
// does not take.
func TestOtherDigests(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		dst := sink(t, open(t, pool.Get(t, spec, "receiver"), "digests"))
		defer dst.Close(nil)
		d := digest.FromString("x")
		m := transfer.Image{ID: d, Root: d, Config: d, Layers: []transfer.Layer{{DiffID: d, Digest: digest.SHA512.FromString("x"), Size: 5}}}
		_, err := dst.Plan(t.Context(), &transfer.Offer{Images: []transfer.Image{m}})
		if transfer.KindOf(err) != transfer.KindRefused || !strings.Contains(err.Error(), "has blobs by sha512") {
			t.Errorf("%v", err)
		}
	})
}
