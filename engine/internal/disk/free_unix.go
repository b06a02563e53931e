//go:build unix && !solaris && !illumos && !aix && !netbsd && !openbsd

package disk

import (
	"math"

	"golang.org/x/sys/unix"
)

// Free returns how many bytes the file system that path is on can take, less a
// reserve, and whether that is known. The path must exist.
func Free(path string) (bytes int64, known bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil || st.Bsize <= 0 {
		return 0, false
	}
	block := uint64(st.Bsize)
	most := uint64(math.MaxInt64) / block
	size, free := min(uint64(st.Blocks), most), min(uint64(st.Bavail), most) //nolint:unconvert // not unsigned everywhere
	return usable(int64(size*block), int64(free*block)), true
}
