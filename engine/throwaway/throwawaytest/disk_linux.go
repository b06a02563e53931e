package throwawaytest

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Disk returns an empty folder with room for so many bytes, in memory, for the
// time of the test. Without the right to mount one it skips the test.
func Disk(t testing.TB, bytes int64) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("not root, who may mount a small disk")
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skip("a small disk cannot be mounted here: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Free returns how many bytes can be written to the disk of a folder.
func Free(t testing.TB, dir string) int64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert // not int64 everywhere
}
