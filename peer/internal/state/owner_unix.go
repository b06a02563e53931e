//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package state

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// hasPermissions reports whether the system has permission bits to judge by.
const hasPermissions = true

// openNow opens a file to read it. It does not wait for the writer of a FIFO.
func openNow(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// checkOwner refuses what belongs to neither this user nor root.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if self := os.Geteuid(); ok && stat.Uid != 0 && int(stat.Uid) != self {
		return fmt.Errorf("refuse %s: it belongs to user %d, and this is user %d; look it over, then run: chown %[3]d %[1]s, "+
			"or set IMGSEND_HOME to a folder of your own", path, stat.Uid, self)
	}
	return nil
}
