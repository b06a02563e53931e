package disk

import (
	"path/filepath"
	"runtime"
	"testing"
)

func TestUsable(t *testing.T) {
	const gib = 1 << 30
	for _, test := range []struct{ size, free, want int64 }{
		{10 * gib, 3 * gib, 3*gib - 10*gib/20},
		{1000 * gib, 3 * gib, 2 * gib},
		{1000 * gib, gib / 2, 0},
		{0, 0, 0},
	} {
		if got := usable(test.size, test.free); got != test.want {
			t.Errorf("%d of %d bytes: %d, not %d", test.free, test.size, got, test.want)
		}
	}
}

func TestFree(t *testing.T) {
	if _, known := Free(filepath.Join(t.TempDir(), "missing")); known {
		t.Error("a folder that is not there has room")
	}
	if _, known := Free(t.TempDir()); !known && runtime.GOOS == "linux" {
		t.Error("the room of a folder is not known")
	}
}
