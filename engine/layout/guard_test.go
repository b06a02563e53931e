package layout_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const media = ocispec.MediaTypeImageLayer // a claim that nothing depends on

func describe(b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(b), Size: int64(len(b))}
}

// put reads a blob through the guard.
func put(g *layout.Guard, d ocispec.Descriptor, b []byte) error {
	r, err := g.Put(d, bytes.NewReader(b))
	if err != nil {
		return err
	}
	got, err := io.ReadAll(iotest.HalfReader(r))
	if err == nil && !bytes.Equal(got, b) {
		return fmt.Errorf("%d bytes came out of %d", len(got), len(b))
	}
	return err
}

func TestGuard(t *testing.T) {
	large := append([]byte(`{"rootfs":{}}`), bytes.Repeat([]byte(" "), layout.MaxDocument)...)
	d := describe(large)
	just := large[:layout.MaxDocument]
	manifest := fmt.Appendf(nil, `  {"schemaVersion":2,"config":{"digest":%q},"layers":[]}`, d.Digest)
	twoFaced := fmt.Appendf(nil, `{"manifests":5,"config":{"digest":%q}}`, d.Digest)
	index := fmt.Appendf(nil, `{"manifests":[{"digest":%q},{"digest":%q}]}`, digest.FromString("a"), d.Digest)
	layer := fmt.Appendf(nil, `{"layers":[{"digest":%q}],"config":{"digest":"no digest"}}`, d.Digest)
	for name, test := range map[string]struct {
		offer []transfer.Image
		blobs [][]byte
		x     transfer.IndexImage
		last  bool // the last blob is refused; else the index or nothing
		ok    bool
	}{
		"offered as a config":      {offer: []transfer.Image{{Config: d.Digest}}, blobs: [][]byte{large}, last: true},
		"offered as a manifest":    {offer: []transfer.Image{{Root: d.Digest}}, blobs: [][]byte{large}, last: true},
		"just fits":                {offer: []transfer.Image{{Config: digest.FromBytes(just)}}, blobs: [][]byte{just}, ok: true},
		"named before":             {blobs: [][]byte{manifest, large}, last: true},
		"named behind":             {blobs: [][]byte{large, manifest}, last: true},
		"listed before":            {blobs: [][]byte{index, large}, last: true},
		"listed behind":            {blobs: [][]byte{large, index}, last: true},
		"of the wrong form":        {blobs: [][]byte{large, twoFaced}, last: true},
		"in the index as a config": {blobs: [][]byte{large}, x: transfer.IndexImage{Config: d}},
		"in the index as a root":   {blobs: [][]byte{large}, x: transfer.IndexImage{Root: &d}},
		"a layer":                  {blobs: [][]byte{layer, large, nil}, ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := layout.NewGuard(&transfer.Offer{Images: test.offer})
			var err error
			for i, b := range test.blobs {
				err = put(g, describe(b), b)
				if err != nil && (!test.last || i < len(test.blobs)-1) {
					t.Fatalf("blob %d: %v", i, err)
				}
			}
			if !test.last {
				err = g.Check(&transfer.Index{Images: []transfer.IndexImage{test.x}})
			}
			if test.ok != (err == nil) || err != nil && (transfer.KindOf(err) != transfer.KindRefused || !strings.Contains(err.Error(), "over the limit")) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestGuardReadsNothing refuses an offered document before its first byte.
func TestGuardReadsNothing(t *testing.T) {
	d := ocispec.Descriptor{Digest: digest.FromString("a"), Size: layout.MaxDocument + 1}
	g := layout.NewGuard(&transfer.Offer{Images: []transfer.Image{{Config: d.Digest}}})
	if _, err := g.Put(d, iotest.ErrReader(fmt.Errorf("read"))); transfer.KindOf(err) != transfer.KindRefused {
		t.Error(err)
	}
}

// FuzzGuard passes blobs through a guard: what comes out is what went in, or a
// refusal.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"", "tar", `{}`, `{"config":{"digest":"sha256:`, `{"manifests":[{"digest":"` + digest.FromString("a").String() + `"}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g := layout.NewGuard(&transfer.Offer{})
		r, err := g.Put(ocispec.Descriptor{Digest: digest.FromString("a"), Size: layout.MaxDocument + 1}, nil)
		if err != nil || r != nil {
			t.Fatal(err)
		}
		if err := put(g, describe(b), b); err != nil && (transfer.KindOf(err) != transfer.KindRefused || !bytes.Contains(b, []byte(digest.FromString("a").Encoded()[:8]))) {
			t.Error(err)
		}
	})
}
