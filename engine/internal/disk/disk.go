// Package disk tells how much room a file system has for images, and makes temporary
// files.
package disk

import (
	"errors"
	"os"
)

// Spool makes a temporary file (see [os.TempDir]). It has no name, so that nothing is
// left of it, however this process ends.
func Spool() (*os.File, error) {
	f, err := os.CreateTemp("", "imgsend-spool-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// A file system is not filled to its end: whoever else writes there keeps a
// twentieth of its size, at most 1 GiB.
const (
	reserveShare = 20
	reserveMost  = 1 << 30
)

// usable returns how many of the free bytes of a file system of this size may be
// used.
func usable(size, free int64) int64 {
	return max(0, free-min(size/reserveShare, reserveMost))
}
