//go:build !unix

package containerd

import "io/fs"

// groupOf returns -1: groups of files are Unix's.
func groupOf(fs.FileInfo) int { return -1 }
