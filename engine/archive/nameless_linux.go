package archive

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openNameless makes a file without a name in a folder, or returns nil where the
// file system cannot do that (seen on NFS), or linkNameless could not name it.
func openNameless(dir string, mode fs.FileMode) *os.File {
	f, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_WRONLY, mode)
	if err != nil {
		return nil
	}
	if _, err := os.Stat(descriptor(f)); err != nil {
		_ = f.Close()
		return nil
	}
	return f
}

// linkNameless gives a nameless file its name. fs.ErrExist is true of its error if
// the name is taken.
func linkNameless(f *os.File, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, descriptor(f), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &fs.PathError{Op: "link", Path: name, Err: err}
	}
	return nil
}

func descriptor(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
