package containerd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/containerd"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A halfway passes on what a sink gets, and calls at each time the half of a layer
// has gone by, for the layers that are larger than 100 kB.
type halfway struct {
	transfer.Sink
	at func(n int) error // n counts the layers from 1; its error breaks the stream
	n  int
}

func (h *halfway) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if d.Size > 100_000 {
		h.n++
		n := h.n
		r = io.MultiReader(io.LimitReader(r, d.Size/2), &hook{call: func() error { return h.at(n) }}, r)
	}
	return h.Sink.Put(ctx, d, r)
}

// A hook is a reader of nothing that calls when it is read.
type hook struct{ call func() error }

func (h *hook) Read([]byte) (int, error) {
	if err := h.call(); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

var errStop = errors.New("stopped by the test")

// TestBroken breaks a transfer in its second layer. Nothing has a name; the next try
// has less to send if the stream is to blame, and else nothing is left.
func TestBroken(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		for kind, left := range map[transfer.Kind]bool{transfer.KindBroken: true, transfer.KindEngine: false} {
			ns := "broken-" + string(kind)
			v1, _ := versions("broken " + string(kind) + " " + spec.Name)
			if err := throwaway.LoadPulled(t.Context(), from, v1); err != nil {
				t.Fatal(err)
			}
			src, d := source(t, open(t, from, ""), v1.Ref), open(t, to, ns)
			_, err := transfer.Copy(t.Context(), src, &halfway{Sink: sink(t, d), at: func(n int) error {
				if n < 2 {
					return nil
				}
				return &transfer.Error{Kind: kind, Err: errStop}
			}}, transfer.Options{})
			if !errors.Is(err, errStop) {
				t.Fatal(err)
			}
			if got := names(t, to, ns); len(got) > 0 {
				t.Errorf("%s: names %v", kind, got)
			}
			garbage(t, to, ns)
			if list := throwawaytest.Ctr(t, to, "-n", ns, "content", "active"); strings.Contains(list, "imgsend") {
				t.Errorf("%s: an ingest is left: %s", kind, list)
			}
			leases := strings.Count(throwawaytest.Ctr(t, to, "-n", ns, "leases", "list"), "imgsend=transfer")
			if (leases == 1) != left {
				t.Errorf("%s: %d leases", kind, leases)
			}
			rep, _ := copied(t, source(t, open(t, from, ""), v1.Ref), sink(t, d))
			if (rep.Skipped > 0) != left {
				t.Errorf("%s: the next try skipped %d bytes", kind, rep.Skipped)
			}
			for id := range strings.FieldsSeq(throwawaytest.Ctr(t, to, "-n", ns, "leases", "list", "-q")) {
				throwawaytest.Ctr(t, to, "-n", ns, "leases", "delete", id) // as it expires
			}
			check(t, to, ns, v1)
		}
	})
}

// TestKilled kills a process that writes into containerd, in its second layer. What
// it leaves expires within the hour, and the next try goes on with it.
func TestKilled(t *testing.T) {
	if socket := os.Getenv("IMGSEND_TEST_SOCKET"); socket != "" {
		writeUntilKilled(t, socket)
		return
	}
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		v1, _ := versions("killed " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1); err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestKilled$", "-test.timeout=1m")
		cmd.Env = append(os.Environ(), "IMGSEND_TEST_SOCKET="+to.Socket(), "IMGSEND_TEST_FROM="+from.Socket(), "IMGSEND_TEST_IMAGE="+v1.Ref)
		throwawaytest.KillAt(t, cmd, "halfway")
		if got := names(t, to, "killed"); len(got) > 0 {
			t.Errorf("names %v", got)
		}
		checkExpiry(t, to, "killed")
		garbage(t, to, "killed")
		rep, _ := copied(t, source(t, open(t, from, ""), v1.Ref), sink(t, open(t, to, "killed")))
		if rep.Skipped == 0 {
			t.Error("the next try has begun anew")
		}
	})
}

// checkExpiry checks that there is a lease of imgsend, which ends within an hour.
func checkExpiry(t *testing.T, e *throwaway.Engine, namespace string) {
	t.Helper()
	list := throwawaytest.Ctr(t, e, "-n", namespace, "leases", "list")
	_, rest, found := strings.Cut(list, "containerd.io/gc.expire=")
	if !found || !strings.Contains(list, "imgsend=transfer") {
		t.Fatalf("no lease that expires in\n%s", list)
	}
	when, err := time.Parse(time.RFC3339, strings.FieldsFunc(rest, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })[0])
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(when); left > time.Hour || left < 50*time.Minute {
		t.Errorf("the lease lasts %s", left)
	}
}

// writeUntilKilled stays inside the second layer.
func writeUntilKilled(t *testing.T, socket string) {
	from, err := containerd.Open(t.Context(), os.Getenv("IMGSEND_TEST_FROM"), "test", "")
	if err != nil {
		t.Fatal(err)
	}
	to, err := containerd.Open(t.Context(), socket, "test", "killed")
	if err != nil {
		t.Fatal(err)
	}
	_, err = transfer.Copy(t.Context(), source(t, from, os.Getenv("IMGSEND_TEST_IMAGE")), &halfway{Sink: sink(t, to), at: func(n int) error {
		if n == 2 {
			_, _ = os.Stdout.WriteString("halfway\n")
			select {}
		}
		return nil
	}}, transfer.Options{})
	t.Fatalf("it came to an end: %v", err)
}

// TestEngineKilled kills the receiving containerd in the second layer, and then the
// sending one.
func TestEngineKilled(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "mortal sender"), pool.Get(t, spec, "mortal")
		for ns, victim := range map[string]*throwaway.Engine{"receiver": to, "sender": from} {
			v1, _ := versions("mortal " + ns + " " + spec.Name)
			if err := throwaway.LoadPulled(t.Context(), from, v1); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err := transfer.Copy(t.Context(), source(t, open(t, from, ""), v1.Ref), &halfway{Sink: sink(t, open(t, to, ns)), at: func(n int) error {
				if n == 2 {
					return victim.Kill()
				}
				return nil
			}}, transfer.Options{})
			if transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), "went away") {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("noticed after %s", took)
			}
			if err := victim.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := names(t, to, ns); len(got) > 0 {
				t.Errorf("names %v", got)
			}
			copied(t, source(t, open(t, from, ""), v1.Ref), sink(t, open(t, to, ns)))
			for id := range strings.FieldsSeq(throwawaytest.Ctr(t, to, "-n", ns, "leases", "list", "-q")) {
				throwawaytest.Ctr(t, to, "-n", ns, "leases", "delete", id) // as it expires
			}
			check(t, to, ns, v1)
		}
	})
}

// TestDiskFull sends an image for which there is no room, packed or unpacked.
func TestDiskFull(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from := pool.Get(t, spec, "sender")
		spec.Data, spec.DiskLimit = throwaway.InMemory, 16<<20
		to := pool.Get(t, spec, "small")
		for name, size := range map[string]int64{"packed": 24 << 20, "unpacked": 9 << 20} {
			big := throwaway.Image{Ref: "big-" + name + ":1", Layers: []throwaway.Layer{{Size: size, Seed: 7, Files: 3}}}
			if err := throwaway.LoadPulled(t.Context(), from, big); err != nil {
				t.Fatal(err)
			}
			_, err := transfer.Copy(t.Context(), source(t, open(t, from, ""), big.Ref), sink(t, open(t, to, "small")), transfer.Options{})
			if transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), "no space left") || !strings.Contains(hint(err), "free some space") {
				t.Errorf("%s: %v, hint %q", name, err, hint(err))
			}
			collect(t, to, "small")
			if got := names(t, to, "small"); len(got) > 0 {
				t.Errorf("%s: names %v", name, got)
			}
			if got := throwawaytest.Ctr(t, to, "-n", "small", "content", "list", "-q") + throwawaytest.Ctr(t, to, "-n", "small", "snapshots", "list"); strings.Contains(got, "sha256:") {
				t.Errorf("%s: left\n%s", name, got)
			}
		}
		// What fits still comes.
		v1, _ := versions("fits " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1); err != nil {
			t.Fatal(err)
		}
		copied(t, source(t, open(t, from, ""), v1.Ref), sink(t, open(t, to, "small")))
		check(t, to, "small", v1)
	})
}

// A forger gives an image whose layer is another one than its config says.
type forger struct {
	transfer.Queue
	blobs [][]byte
	index transfer.IndexImage
}

func (f *forger) Export(ctx context.Context, _ *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	if p.Images[0].Status != transfer.Take {
		return &transfer.Index{}, nil
	}
	for i, b := range f.blobs {
		if i == 2 && p.Images[0].Have[0] {
			continue
		}
		if err := w.Put(ctx, describe("", b), bytes.NewReader(b)); err != nil {
			return nil, err
		}
	}
	return &transfer.Index{Images: []transfer.IndexImage{f.index}}, nil
}

func (f *forger) Close(error) error { return nil }

func describe(media string, b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(b), Size: int64(len(b))}
}

// forge returns an image whose first layer is claimed to unpack to claim. The others
// are as they are.
func forge(t *testing.T, claim digest.Digest, others ...[]byte) *forger {
	t.Helper()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(make([]byte, 1024)) // an empty tar
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	blobs, ids := [][]byte{z.Bytes()}, fmt.Sprintf("%q", claim)
	descs := []ocispec.Descriptor{describe(ocispec.MediaTypeImageLayerGzip, z.Bytes())}
	layers := []transfer.Layer{{DiffID: claim, Digest: descs[0].Digest, Size: descs[0].Size}}
	for _, b := range others {
		d := describe(ocispec.MediaTypeImageLayer, b)
		blobs, descs, ids = append(blobs, b), append(descs, d), ids+fmt.Sprintf(",%q", d.Digest)
		layers = append(layers, transfer.Layer{DiffID: d.Digest, Digest: d.Digest, Size: d.Size})
	}
	config := fmt.Appendf(nil, `{"os":"linux","architecture":%q,"rootfs":{"type":"layers","diff_ids":[%s]}}`, arch, ids)
	im := transfer.IndexImage{Config: describe(ocispec.MediaTypeImageConfig, config), Layers: descs}
	manifest, root, err := layout.Compose(&im)
	if err != nil {
		t.Fatal(err)
	}
	im.ID, im.Root = root.Digest, &root
	f := &forger{index: im, blobs: append([][]byte{config, manifest}, blobs...)}
	f.Fill([]transfer.Image{{ID: root.Digest, Refs: []string{"forged:1"}, Root: root.Digest, Config: im.Config.Digest,
		Platform: ocispec.Platform{OS: "linux", Architecture: arch}, Layers: layers}})
	return f
}

// TestForged sends a layer that does not unpack to what it should, also where a
// snapshot of that is there already.
func TestForged(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		v1, _ := versions("forged " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1); err != nil {
			t.Fatal(err)
		}
		copied(t, source(t, open(t, from, ""), v1.Ref), sink(t, open(t, to, "forged")))
		for name, claim := range map[string]digest.Digest{"nowhere": digest.FromString("else"), "there": digest.Digest(v1.DiffIDs()[0])} {
			_, err := transfer.Copy(t.Context(), forge(t, claim), sink(t, open(t, to, "forged")), transfer.Options{})
			if transfer.KindOf(err) != transfer.KindBroken || !strings.Contains(err.Error(), "unpacks to") {
				t.Errorf("%s: %v", name, err)
			}
			if got := strings.Join(names(t, to, "forged"), " "); strings.Contains(got, "forged:1") {
				t.Errorf("%s: %s", name, got)
			}
		}
		// The right claim.
		if _, err := transfer.Copy(t.Context(), forge(t, digest.FromBytes(make([]byte, 1024))), sink(t, open(t, to, "forged")), transfer.Options{}); err != nil {
			t.Error(err)
		}
	})
}

// TestForgedEarly sends a layer that does not unpack to what it should, and a large
// one after it, in the middle of which the transfer ends.
func TestForgedEarly(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		dst := sink(t, open(t, pool.Get(t, spec, "receiver"), "forged-early"))
		large := make([]byte, 8<<20) // an empty tar
		var read int64
		_, err := transfer.Copy(t.Context(), forge(t, digest.FromString("else"), large), &halfway{Sink: counting{dst, &read}, at: func(int) error {
			deadline := time.After(30 * time.Second)
			for tick := time.NewTicker(5 * time.Millisecond); dst.UnpackFailure() == nil; {
				select {
				case <-tick.C:
				case <-deadline:
					return errStop
				}
			}
			return nil
		}}, transfer.Options{})
		if transfer.KindOf(err) != transfer.KindBroken || !strings.Contains(err.Error(), "unpacks to") {
			t.Errorf("%v", err)
		}
		if read >= int64(len(large)) {
			t.Errorf("%d bytes were read all the same", read)
		}
	})
}

// counting counts what a sink reads of large blobs.
type counting struct {
	transfer.Sink
	n *int64
}

func (c counting) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if d.Size < 100_000 {
		return c.Sink.Put(ctx, d, r)
	}
	return c.Sink.Put(ctx, d, io.TeeReader(r, counter{c.n}))
}

type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) { *c.n += int64(len(p)); return len(p), nil }

// TestLongTransfer takes longer than a lease lasts: for one layer, and for all.
func TestLongTransfer(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		v1, _ := versions("long " + spec.Name)
		v1.Layers[1].Size, v1.Layers[1].Kind = 8<<20, throwaway.Random
		if err := throwaway.LoadPulled(t.Context(), from, v1); err != nil {
			t.Fatal(err)
		}
		dst := sink(t, open(t, to, "long"))
		const life = 3 * time.Second
		dst.SetLeaseTime(life)
		_, err := transfer.Copy(t.Context(), source(t, open(t, from, ""), v1.Ref), &slow{Sink: dst, each: life / 4, collect: func() { garbage(t, to, "long") }}, transfer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, to, "long", v1)
	})
}

// A slow sink is given a mebibyte in each time, and has containerd remove in
// between what nothing refers to.
type slow struct {
	transfer.Sink
	each    time.Duration
	collect func()
}

func (s *slow) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	return s.Sink.Put(ctx, d, &slowReader{r: r, slow: s})
}

type slowReader struct {
	r    io.Reader
	slow *slow
	n    int
}

func (r *slowReader) Read(p []byte) (int, error) {
	if r.n >= 1<<20 {
		r.n = 0
		time.Sleep(r.slow.each)
		r.slow.collect()
	}
	n, err := r.r.Read(p)
	r.n += n
	return n, err
}

// TestVanished removes an image while it is read.
func TestVanished(t *testing.T) {
	each(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		v1, _ := versions("vanished " + spec.Name)
		if err := throwaway.LoadPulled(t.Context(), from, v1); err != nil {
			t.Fatal(err)
		}
		o, err := source(t, open(t, from, ""), v1.Ref).Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		layers := o.Images[0].Layers
		_, err = transfer.Copy(t.Context(), source(t, open(t, from, ""), v1.Ref), &halfway{Sink: sink(t, open(t, to, "vanished")), at: func(n int) error {
			if n == 1 {
				throwawaytest.Ctr(t, from, "images", "remove", "--sync", "docker.io/library/"+v1.Ref)
			}
			return nil
		}}, transfer.Options{})
		last := layers[len(layers)-1].Digest.String()
		if transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), "has vanished") ||
			!strings.Contains(err.Error(), last) && !strings.Contains(err.Error(), layers[1].Digest.String()) {
			t.Errorf("%v", err)
		}
	})
}
