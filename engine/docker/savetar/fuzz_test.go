package savetar

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// FuzzReader reads archives as if an engine had saved them: it must neither
// panic nor hand over a blob that it cannot name, whatever is in them.
func FuzzReader(f *testing.F) {
	offered, archive := classicArchive(f, throwaway.Layer{Size: 300, Seed: 1}, throwaway.Layer{Size: 20, Seed: 2})
	offered.Root = offered.ID
	// Seeds that are not understood would seed nothing.
	whole := NewReader(Classic, []*transfer.Image{offered}, nil, &countingWriter{})
	if err := whole.Read(context.Background(), bytes.NewReader(archive)); err != nil {
		f.Fatal(err)
	}
	if x, err := whole.Index(offered); err != nil || len(x.Layers) != 2 {
		f.Fatalf("the seed has the index %v, %v", x, err)
	}
	m := throwaway.Image{Ref: "fuzz:1", Layers: []throwaway.Layer{{Size: 300, Seed: 1}}, Cmd: []string{"/x"}}
	var pulled bytes.Buffer
	if err := throwaway.WriteOCIArchive(&pulled, m); err != nil {
		f.Fatal(err)
	}
	for format := range byte(3) {
		f.Add(format, archive)
		f.Add(format, archive[:len(archive)/2])
		f.Add(format, pulled.Bytes())
		f.Add(format, bytes.ReplaceAll(archive, []byte("blobs/sha256/"), []byte("\x00\x00\x00")))
	}
	f.Fuzz(func(t *testing.T, format byte, archive []byte) {
		w := &checkingWriter{t: t}
		r := NewReader(Format(format%3), []*transfer.Image{offered}, nil, w)
		if err := r.Read(t.Context(), bytes.NewReader(archive)); err != nil {
			return
		}
		x, err := r.Index(offered)
		if err == nil && len(x.Layers) != len(offered.Layers) {
			t.Errorf("index of %d layers", len(x.Layers))
		}
	})
}

type checkingWriter struct{ t *testing.T }

func (w *checkingWriter) Put(_ context.Context, d ocispec.Descriptor, r io.Reader) error {
	if err := d.Digest.Validate(); err != nil {
		w.t.Error(err)
	}
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != d.Size {
		w.t.Errorf("blob of %d bytes has %d", d.Size, n)
	}
	return err
}

func TestV1LayersAmbiguous(t *testing.T) {
	layers := func(names ...string) *transfer.Image {
		m := &transfer.Image{}
		for _, n := range names {
			m.Layers = append(m.Layers, transfer.Layer{DiffID: digest.FromString(n)})
		}
		return m
	}
	if _, ok := newV1Layers([]*transfer.Image{layers("a"), layers("a", "b"), layers("d")}); ok {
		t.Error("two top layers without a parent are told apart")
	}
	if _, ok := newV1Layers([]*transfer.Image{layers("a", "b"), layers("a", "c")}); ok {
		t.Error("two top layers on one parent are told apart")
	}
	if _, ok := newV1Layers([]*transfer.Image{layers("a", "b"), layers("a", "b", "c")}); !ok {
		t.Error("a layer that is top in one image and not in the other is ambiguous")
	}
}
