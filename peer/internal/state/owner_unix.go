//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package state

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// hasPermissions is true on systems with Unix permission bits.
const hasPermissions = true

// openNow opens a file for reading. It does not block if the file is a FIFO without a writer.
func openNow(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// checkOwner returns an error if the file belongs to another user than this one and root.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if self := os.Geteuid(); ok && stat.Uid != 0 && int(stat.Uid) != self {
		return fmt.Errorf("refuse %s: it belongs to user %d, and this is user %d; look it over, then run: chown %[3]d %[1]s, "+
			"or set IMGSEND_HOME to a folder of your own", path, stat.Uid, self)
	}
	return nil
}
