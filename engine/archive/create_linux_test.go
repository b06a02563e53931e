package archive_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
)

// TestCreateLeavesNothing has no file in the folder while an archive is written, so
// that none is left of a program that is killed.
func TestCreateLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	dst, err := archive.Create(t.Context(), filepath.Join(dir, "images.tar"), archive.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("the folder has %v, %v", list, err)
	}
	if err := dst.Close(nil); err != nil {
		t.Error(err)
	}
}

// TestCreateByDescriptor writes into an open pipe by its path, as the shell's
// process substitution has it.
func TestCreateByDescriptor(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dst, err := archive.Create(t.Context(), fmt.Sprintf("/dev/fd/%d", w.Fd()), archive.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(nil); err != nil {
		t.Error(err)
	}
	_ = w.Close()
}
