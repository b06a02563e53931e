package savetar

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// BenchmarkReader filters what an engine saves, passing every layer on or
// dropping every one.
func BenchmarkReader(b *testing.B) {
	offered, archive := classicArchive(b, throwaway.Layer{Size: 32 << 20, Seed: 1}, throwaway.Layer{Size: 8 << 20, Seed: 2})
	all := map[digest.Digest]bool{}
	for _, l := range offered.Layers {
		all[l.Digest] = true
	}
	for name, drop := range map[string]map[digest.Digest]bool{"pass": nil, "drop": all} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(archive)))
			for b.Loop() {
				w := &countingWriter{}
				r := NewReader(Classic, []*transfer.Image{offered}, drop, w)
				if err := r.Read(b.Context(), onlyReader{bytes.NewReader(archive)}); err != nil {
					b.Fatal(err)
				}
				if dropped := w.n < 1<<20; dropped != (drop != nil) {
					b.Fatalf("%d bytes passed", w.n)
				}
			}
		})
	}
}

// onlyReader hides that a reader can seek, which the body of a save cannot.
type onlyReader struct{ io.Reader }

// classicArchive returns an image of these layers, and the archive that a
// classic store of Docker 25 and newer saves of it.
func classicArchive(tb testing.TB, layers ...throwaway.Layer) (*transfer.Image, []byte) {
	tb.Helper()
	var out bytes.Buffer
	w := layout.NewWriter(&out)
	put := func(b []byte) ocispec.Descriptor {
		d := ocispec.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
		if err := w.Blob(d.Digest, d.Size, bytes.NewReader(b)); err != nil {
			tb.Fatal(err)
		}
		return d
	}
	x := transfer.IndexImage{Config: put([]byte(`{"architecture":"amd64","os":"linux"}`))}
	m := &transfer.Image{ID: x.Config.Digest, Config: x.Config.Digest}
	for _, l := range layers {
		var b bytes.Buffer
		if err := l.WriteTar(&b); err != nil {
			tb.Fatal(err)
		}
		d := put(b.Bytes())
		x.Layers = append(x.Layers, d)
		m.Layers = append(m.Layers, transfer.Layer{DiffID: d.Digest, Digest: d.Digest, Size: d.Size})
	}
	if err := w.Finish([]layout.Entry{{Root: x.Config, Config: x.Config.Digest, Layers: x.Layers}}); err != nil {
		tb.Fatal(err)
	}
	return m, out.Bytes()
}

type countingWriter struct{ n int64 }

func (w *countingWriter) Put(_ context.Context, _ ocispec.Descriptor, r io.Reader) error {
	n, err := io.Copy(io.Discard, r)
	w.n += n
	return err
}
