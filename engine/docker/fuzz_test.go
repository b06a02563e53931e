package docker

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// FuzzSaveReader reads archives as if an engine had saved them: it must neither
// panic nor hand over a blob that it cannot name, whatever is in them.
func FuzzSaveReader(f *testing.F) {
	offered, archive := classicArchive(f, throwaway.Layer{Size: 300, Seed: 1}, throwaway.Layer{Size: 20, Seed: 2})
	offered.Root = offered.ID
	// Seeds that are not understood would seed nothing.
	whole := newSaveReader(Classic, []*transfer.Image{offered}, nil, &countingWriter{})
	if err := whole.read(context.Background(), bytes.NewReader(archive)); err != nil {
		f.Fatal(err)
	}
	if x, err := whole.index(offered); err != nil || len(x.Layers) != 2 {
		f.Fatalf("the seed has the index %v, %v", x, err)
	}
	m := throwaway.Image{Ref: "fuzz:1", Layers: []throwaway.Layer{{Size: 300, Seed: 1}}, Cmd: []string{"/x"}}
	var pulled bytes.Buffer
	if err := throwaway.WriteOCIArchive(&pulled, m); err != nil {
		f.Fatal(err)
	}
	for store := range byte(3) {
		f.Add(store, archive)
		f.Add(store, archive[:len(archive)/2])
		f.Add(store, pulled.Bytes())
		f.Add(store, bytes.ReplaceAll(archive, []byte("blobs/sha256/"), []byte("\x00\x00\x00")))
	}
	f.Fuzz(func(t *testing.T, store byte, archive []byte) {
		w := &checkingWriter{t: t}
		r := newSaveReader(Kind(store%3), []*transfer.Image{offered}, nil, w)
		if err := r.read(t.Context(), bytes.NewReader(archive)); err != nil {
			return
		}
		x, err := r.index(offered)
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

// FuzzReadAnswer reads what an engine answers to a load or a push.
func FuzzReadAnswer(f *testing.F) {
	for _, s := range []string{
		`{"stream":"Loaded image ID: sha256:00\n"}`,
		`{"status":"Loading layer","progressDetail":{"current":1,"total":2},"id":"abc"}` + "\n" + `{"stream":"x"}`,
		`{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}`,
		`{"stream":"Loa`, ``, `[]`, `{"error":1}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := readAnswer(strings.NewReader(s), func(message) {})
		if err == nil && strings.Contains(s, `{"error":"bad"}`) && !strings.Contains(s, `\`) && strings.HasPrefix(s, `{"error":"bad"}`) {
			t.Error("an error went unnoticed")
		}
	})
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
