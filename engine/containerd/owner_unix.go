//go:build unix

package containerd

import (
	"io/fs"
	"syscall"
)

// groupOf returns the group of a file, or -1 if it is not known.
func groupOf(in fs.FileInfo) int {
	if st, ok := in.Sys().(*syscall.Stat_t); ok {
		return int(st.Gid)
	}
	return -1
}
