package containerd_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/containerd"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// What leads containerd's clients elsewhere, ctr among them.
	for _, name := range []string{"CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE", "CONTAINERD_SNAPSHOTTER"} {
		if err := os.Unsetenv(name); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	code := m.Run()
	pool.Stop()
	os.Exit(code)
}

var pool throwawaytest.Pool

// each runs a test for every containerd of the matrix.
func each(t *testing.T, test func(t *testing.T, spec throwaway.Spec)) {
	for _, spec := range throwawaytest.NativeSpecs(t) {
		t.Run(spec.Name, func(t *testing.T) { test(t, spec) })
	}
}

// open connects to a containerd; an empty namespace is "default".
func open(t *testing.T, e *throwaway.Engine, namespace string) *containerd.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := containerd.Open(ctx, e.Host(), "test", namespace)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func source(t *testing.T, s *containerd.Store, refs ...string) transfer.Source {
	t.Helper()
	src, err := s.Source(t.Context(), requests(refs...), store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func requests(refs ...string) []store.Request {
	out := make([]store.Request, len(refs))
	for i, r := range refs {
		out[i] = store.Request{Image: r}
	}
	return out
}

func sink(t *testing.T, s *containerd.Store) *containerd.Sink {
	t.Helper()
	dst, err := s.Sink(t.Context(), store.SinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return dst.(*containerd.Sink)
}

// copied copies over a stream, as the two programs do.
func copied(t *testing.T, src transfer.Source, dst transfer.Sink) (*transfer.Report, []transfer.Arrival) {
	t.Helper()
	var arrivals []transfer.Arrival
	rep, err := transfertest.Copy(t, src, dst, transfer.Options{
		OnArrival: func(_ *transfer.Image, a transfer.Arrival, _ bool) { arrivals = append(arrivals, a) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return rep, arrivals
}

// run runs a command that may fail.
func run(t *testing.T, argv []string) error {
	t.Helper()
	return exec.CommandContext(t.Context(), argv[0], argv[1:]...).Run()
}

// names lists the image records of a namespace.
func names(t *testing.T, e *throwaway.Engine, namespace string) []string {
	t.Helper()
	return strings.Fields(throwawaytest.Ctr(t, e, "-n", namespace, "images", "list", "-q"))
}

// check checks that a containerd has an image under its name as it was made: whole,
// unpacked, and still so when everything that nothing refers to has been removed.
func check(t *testing.T, e *throwaway.Engine, namespace string, want throwaway.Image) {
	t.Helper()
	collect(t, e, namespace)
	full := "docker.io/library/" + want.Ref
	line := ""
	for l := range strings.Lines(throwawaytest.Ctr(t, e, "-n", namespace, "images", "check")) {
		if strings.HasPrefix(l, full+" ") {
			line = l
		}
	}
	// REF TYPE DIGEST STATUS SIZE UNPACKED
	if f := strings.Fields(line); len(f) == 0 || f[3] != "complete" || f[len(f)-1] != "true" {
		t.Errorf("%s in %s: %q", full, namespace, line)
	}
	var ids []digest.Digest
	for _, d := range want.DiffIDs() {
		ids = append(ids, digest.Digest(d))
	}
	if list := throwawaytest.Ctr(t, e, "-n", namespace, "snapshots", "list"); !strings.Contains(list, identity.ChainID(ids).String()) {
		t.Errorf("%s has no snapshot %s in\n%s", want.Ref, identity.ChainID(ids), list)
	}
	s := open(t, e, namespace)
	src := source(t, s, want.Ref)
	o, err := src.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := o.Images[0]
	if m.Config.String() != want.ID() {
		t.Errorf("%s has the ID %s, not %s", want.Ref, m.Config, want.ID())
	}
	var got []string
	for _, l := range m.Layers {
		got = append(got, l.DiffID.String())
	}
	if !slices.Equal(got, want.DiffIDs()) {
		t.Errorf("%s has the layers %v, not %v", want.Ref, got, want.DiffIDs())
	}
}

// collect has containerd remove all that nothing refers to, and checks that no
// lease and no ingest of imgsend is left.
func collect(t *testing.T, e *throwaway.Engine, namespace string) {
	t.Helper()
	if list := throwawaytest.Ctr(t, e, "-n", namespace, "leases", "list"); strings.Contains(list, "imgsend") {
		t.Errorf("leases are left:\n%s", list)
	}
	if list := throwawaytest.Ctr(t, e, "-n", namespace, "content", "active"); strings.Contains(list, "imgsend") {
		t.Errorf("ingests are left:\n%s", list)
	}
	garbage(t, e, namespace)
}

// garbage has containerd remove all that nothing refers to.
func garbage(t *testing.T, e *throwaway.Engine, namespace string) {
	t.Helper()
	id := strings.TrimSpace(throwawaytest.Ctr(t, e, "-n", namespace, "leases", "create"))
	throwawaytest.Ctr(t, e, "-n", namespace, "leases", "delete", "--sync", id)
}

func hint(err error) string {
	var e *transfer.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

var seeds uint64 = 1000

// versions returns two versions of an image that no other test has: the second has
// one layer more.
func versions(name string) (v1, v2 throwaway.Image) {
	seeds += 10
	repo := strings.ToLower(strings.NewReplacer("/", "-", " ", "-", "_", "-").Replace(name))
	v1 = throwaway.Image{Ref: repo + ":1.0", Cmd: []string{"/app"}, Layers: []throwaway.Layer{
		{Size: 3 << 20, Seed: seeds, Kind: throwaway.Text, Files: 20},
		{Size: 1 << 20, Seed: seeds + 1, Kind: throwaway.Text, Files: 3},
		{Size: 2500, Seed: seeds + 2},
	}}
	v2 = throwaway.Image{Ref: repo + ":2.0", Cmd: []string{"/app", "two"},
		Layers: append(slices.Clone(v1.Layers), throwaway.Layer{Size: 500_000, Seed: seeds + 3, Kind: throwaway.Text})}
	return v1, v2
}
