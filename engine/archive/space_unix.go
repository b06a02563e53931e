//go:build unix && !solaris && !illumos && !aix && !netbsd && !openbsd

package archive

import (
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace returns how many bytes the disk of f has left; 0: not known.
func freeSpace(f *os.File) int64 {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0
	}
	return int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert // not int64 everywhere
}
