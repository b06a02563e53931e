package folder_test

import (
	"path/filepath"
	"testing"

	"github.com/imgsend/imgsend/engine/folder"
)

// TestFree asks for the room of a folder, and of one that is yet to be made in it.
func TestFree(t *testing.T) {
	dir := t.TempDir()
	if _, known := folder.New(dir).Free(t.Context()); !known {
		t.Skip("the room of a folder is not known here")
	}
	if bytes, known := folder.New(filepath.Join(dir, "a", "b")).Free(t.Context()); !known || bytes <= 0 {
		t.Errorf("%d bytes, known: %v", bytes, known)
	}
}
