package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A memory is a store in memory.
type memory struct {
	blobs  map[digest.Digest][]byte
	list   []catalog.Entry
	broken error // of Update
}

func (m *memory) Size(d digest.Digest) (int64, bool) {
	b, ok := m.blobs[d]
	return int64(len(b)), ok
}

func (m *memory) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(m.blobs[d])), nil
}

func (m *memory) Put(_ context.Context, d ocispec.Descriptor, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if digest.FromBytes(b) != d.Digest {
		return fmt.Errorf("%d bytes are not %s", len(b), d.Digest)
	}
	m.blobs[d.Digest] = b
	return nil
}

func (m *memory) List(context.Context) ([]catalog.Entry, error) { return slices.Clone(m.list), nil }

func (m *memory) Update(_ context.Context, change func([]catalog.Entry) ([]catalog.Entry, error)) error {
	list, err := change(slices.Clone(m.list))
	if err = errors.Join(err, m.broken); err != nil {
		return err
	}
	for _, e := range list {
		m.list = append(slices.DeleteFunc(m.list, func(old catalog.Entry) bool { return old.Name == e.Name && e.Name != "" }), e)
	}
	return nil
}

func (m *memory) String() string { return "memory" }

func image(ref string, seeds ...uint64) throwaway.Image {
	m := throwaway.Image{Ref: ref}
	for _, s := range seeds {
		m.Layers = append(m.Layers, throwaway.Layer{Size: 3000, Seed: s, Kind: throwaway.Text})
	}
	return m
}

// into copies images into the store.
func into(t *testing.T, m *memory, o transfer.Options, noClobber bool, images ...throwaway.Image) (*transfer.Report, error) {
	t.Helper()
	var b bytes.Buffer
	if err := throwaway.WriteDockerArchive(&b, images...); err != nil {
		t.Fatal(err)
	}
	src, err := archive.Open(t.Context(), &b, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dst := catalog.NewSink(m)
	dst.NoClobber = noClobber
	return transfer.Copy(t.Context(), src, dst, o)
}

// TestRoundTrip takes images in, finds them by name and by digest, and gives them.
func TestRoundTrip(t *testing.T) {
	m := &memory{blobs: map[digest.Digest][]byte{}}
	one, two := image("webapp:1.0", 1, 2), image("webapp:2.0", 1, 2, 3)
	if _, err := into(t, m, transfer.Options{}, false, one); err != nil {
		t.Fatal(err)
	}
	if rep, err := into(t, m, transfer.Options{}, false, one, two); err != nil || rep.Skipped == 0 || rep.Images != 2 {
		t.Fatalf("%+v, %v", rep, err)
	}
	reqs := []store.Request{{Image: "webapp:1.0", As: "shop:1"}, {Image: strings.TrimPrefix(two.ID(), "sha256:")[:8]}}
	src, err := catalog.NewSource(t.Context(), m, m.list, "memory", reqs, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := &memory{blobs: map[digest.Digest][]byte{}}
	if _, err := transfer.Copy(t.Context(), src, catalog.NewSink(other), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range other.list {
		names = append(names, e.Name)
	}
	if !slices.Equal(names, []string{"shop:1", ""}) {
		t.Errorf("the names are %q", names)
	}
	_, err = catalog.NewSource(t.Context(), m, m.list, "memory", []store.Request{{Image: "wepapp:1.0"}}, nil)
	var e *transfer.Error
	if !errors.As(err, &e) || e.Kind != transfer.KindEngine || e.Hint != "did you mean webapp:1.0 or webapp:2.0?" {
		t.Errorf("a near miss: %v", err)
	}
}

// TestNames moves a name, is not allowed to, and fails to: all of an offer's names
// or none.
func TestNames(t *testing.T) {
	m := &memory{blobs: map[digest.Digest][]byte{}}
	if _, err := into(t, m, transfer.Options{}, false, image("a:1", 1)); err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(m.list)
	if _, err := into(t, m, transfer.Options{}, true, image("b:1", 3), image("a:1", 2)); transfer.KindOf(err) != transfer.KindRefused {
		t.Errorf("a name is another image's: %v", err)
	}
	m.broken = errors.New("store is on fire")
	if _, err := into(t, m, transfer.Options{}, false, image("b:1", 3), image("a:1", 2)); transfer.KindOf(err) != transfer.KindEngine {
		t.Errorf("a store that fails: %v", err)
	}
	if fmt.Sprint(m.list) != fmt.Sprint(before) {
		t.Errorf("the names are %v, not %v", m.list, before)
	}
	m.broken = nil
	replaced := map[string]digest.Digest{}
	arrival := func(_ *transfer.Image, a transfer.Arrival, _ bool) {
		for _, n := range a.Names {
			replaced[n.Ref] = n.Replaced
		}
	}
	if _, err := into(t, m, transfer.Options{OnArrival: arrival}, false, image("b:1", 3), image("a:1", 2)); err != nil {
		t.Fatal(err)
	}
	if replaced["a:1"] != before[0].Root.Digest || replaced["b:1"] != "" || len(m.list) != 2 {
		t.Errorf("%v were replaced, the names are %v", replaced, m.list)
	}
}

// TestIncomplete asks for an image that has lost its config or a layer: the store's
// fault, which stays however often it is asked.
func TestIncomplete(t *testing.T) {
	for _, lost := range []string{image("a:1", 1).ID(), image("a:1", 1).DiffIDs()[0]} {
		m := &memory{blobs: map[digest.Digest][]byte{}}
		if _, err := into(t, m, transfer.Options{}, false, image("a:1", 1)); err != nil {
			t.Fatal(err)
		}
		delete(m.blobs, digest.Digest(lost))
		_, err := catalog.NewSource(t.Context(), m, m.list, "memory", []store.Request{{Image: "a:1"}}, nil)
		if transfer.KindOf(err) != transfer.KindEngine {
			t.Errorf("without %s: %v", lost, err)
		}
	}
}
