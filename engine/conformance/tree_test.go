package conformance_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A tree is a file system: what is at each path. Hard links are one node at
// several paths.
type tree map[string]*node

// A node is a file of any kind. The name in its header means nothing.
type node struct {
	*tar.Header
	sum digest.Digest // of its content
}

// apply adds what is in a tar to the tree, which may be a layer with whiteouts.
func (tr tree) apply(t *testing.T, r io.Reader) {
	t.Helper()
	added := map[string]bool{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean(strings.TrimPrefix(h.Name, "/"))
		dir, base := path.Split(name)
		switch gone, isWhiteout := strings.CutPrefix(base, ".wh."); {
		case base == ".wh..wh..opq":
			tr.remove(dir, added)
		case isWhiteout:
			delete(tr, dir+gone)
			tr.remove(dir+gone+"/", added)
		default:
			added[name] = true
			if h.Typeflag == tar.TypeLink {
				tr[name] = tr[path.Clean(strings.TrimPrefix(h.Linkname, "/"))]
				continue
			}
			sum := digest.Canonical.Digester()
			if _, err := io.Copy(sum.Hash(), in); err != nil {
				t.Fatal(err)
			}
			tr[name] = &node{h, sum.Digest()}
		}
	}
}

// remove removes what is below a folder, but for what the layer has added.
func (tr tree) remove(dir string, added map[string]bool) {
	for name := range tr {
		if strings.HasPrefix(name, dir) && !added[name] {
			delete(tr, name)
		}
	}
}

// unpack applies the layers of the one image that a source gives.
func unpack(t *testing.T, src transfer.Source) tree {
	t.Helper()
	all := tree{}
	dst := &unpacker{}
	if _, err := transfer.Copy(t.Context(), src, dst, transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, d := range dst.layers {
		b := dst.blobs[d.Digest]
		var r io.Reader = bytes.NewReader(b)
		if layout.Sniff(b) == ocispec.MediaTypeImageLayerGzip {
			z, err := gzip.NewReader(r)
			if err != nil {
				t.Fatal(err)
			}
			r = z
		}
		all.apply(t, r)
	}
	return all
}

// An unpacker is a sink that keeps the blobs of one image in memory.
type unpacker struct {
	refs   []string
	blobs  map[digest.Digest][]byte
	layers []ocispec.Descriptor
}

func (u *unpacker) Plan(_ context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	u.refs, u.blobs = o.Images[0].Refs, map[digest.Digest][]byte{}
	return &transfer.Plan{Images: []transfer.ImagePlan{{Status: transfer.Take, Have: make([]bool, len(o.Images[0].Layers))}}}, nil
}

func (u *unpacker) Put(_ context.Context, d ocispec.Descriptor, r io.Reader) (err error) {
	u.blobs[d.Digest], err = io.ReadAll(r)
	return err
}

func (u *unpacker) Commit(_ context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	m := x.Images[0]
	u.layers = m.Layers
	a := transfer.Arrival{ID: m.ID, New: m.ID}
	for _, ref := range u.refs {
		a.Names = append(a.Names, transfer.Name{Ref: ref})
	}
	return &transfer.Outcome{Images: []transfer.Arrival{a}}, nil
}

func (u *unpacker) Close(error) error { return nil }
