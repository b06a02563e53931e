//go:build unix

package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const nonBlocking = syscall.O_NONBLOCK

// noReader reports whether a named pipe could not be opened because nobody reads it.
func noReader(err error) bool { return errors.Is(err, syscall.ENXIO) }

// checkOwner refuses what is in a folder with the sticky bit where others may write,
// and belongs neither to this user nor to the folder's owner. It is the rule of
// Linux's fs.protected_symlinks, protected_fifos and protected_regular, which not
// every host has set.
func checkOwner(dir string, in fs.FileInfo) error {
	folder, err := os.Stat(dir)
	if err != nil {
		return err
	}
	file, ok := in.Sys().(*syscall.Stat_t)
	owner, ok2 := folder.Sys().(*syscall.Stat_t)
	if !ok || !ok2 || folder.Mode()&fs.ModeSticky == 0 || folder.Mode().Perm()&0o022 == 0 ||
		int(file.Uid) == os.Geteuid() || file.Uid == owner.Uid {
		return nil
	}
	return fmt.Errorf("%s in %s belongs to another user, and others may write there", in.Name(), dir)
}
