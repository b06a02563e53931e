package folder_test

import (
	"path/filepath"
	"testing"

	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// TestOfferedSizes has a folder offer what it then sends, to the byte.
func TestOfferedSizes(t *testing.T) {
	dir := t.TempDir()
	near, far := filepath.Join(dir, "near"), filepath.Join(dir, "far")
	m := image("sizes:1", 1, 2)
	if _, err := transfer.Copy(t.Context(), source(t, pulled, m), sink(t, near), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	src, err := folder.NewSource(t.Context(), near, []store.Request{{Image: m.Ref}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	offered := src.Images()[0]
	for i, l := range offered.Layers {
		if !l.Exact {
			t.Errorf("the size of layer %d is an estimate", i)
		}
	}
	rep, err := transfertest.Copy(t, src, sink(t, far), transfer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := offered.Size() + offered.Extra; rep.Bytes != want {
		t.Errorf("%d bytes sent, %d offered", rep.Bytes, want)
	}
}
