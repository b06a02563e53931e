package state

import (
	"fmt"
	"io/fs"
	"os"
)

// CheckFolder returns an error if another user owns the home folder (root excepted) or can
// write to it, or if it is not a folder. A folder that does not exist is no error.
func CheckFolder(home string) error {
	info, err := os.Stat(home)
	if err != nil {
		return nil // opening its files fails for the same reason
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", home)
	}
	if err := checkOwner(home, info); err != nil {
		return err
	}
	if mode := info.Mode().Perm(); hasPermissions && mode&0o022 != 0 {
		return fmt.Errorf("refuse the folder %s: others can write to it (mode %04o); look it over, then run: chmod go-w %[1]s", home, mode)
	}
	return nil
}

// MakeFolder creates the home folder with mode 0700 if it does not exist, and checks it.
func MakeFolder(home string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	return CheckFolder(home)
}

// checkFile returns an error if an open file is not a regular file, belongs to another user
// (root excepted), or has one of the forbidden permissions. what names the file in errors.
func checkFile(file *os.File, path, what string, forbidden fs.FileMode) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("read %s: %s is not a regular file", what, path)
	}
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if mode := info.Mode().Perm(); hasPermissions && mode&forbidden != 0 {
		return fmt.Errorf("refuse %s: others can read or change %s (mode %04o); look it over, then run: chmod 600 %[2]s", what, path, mode)
	}
	return nil
}
