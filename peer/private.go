package peer

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// openPrivate opens a file of the home folder to read it. It refuses a file
// that is no regular file, that has one of the forbidden permissions, or that
// belongs to another user, and any file in a folder that another user owns or
// may write. what names the file in errors; a file that does not exist is
// fs.ErrNotExist.
func openPrivate(path, what string, forbidden fs.FileMode) (*os.File, error) {
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	file, err := openNow(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	if err := checkPrivate(file, path, what, forbidden); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func checkPrivate(file *os.File, path, what string, forbidden fs.FileMode) error {
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

// checkFolder reports why the home folder is not to be trusted. One that does
// not exist is.
func checkFolder(home string) error {
	info, err := os.Stat(home)
	if err != nil {
		return nil // opening what is in it fails for the same reason
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

// makeFolder makes the home folder, unless it is there, and checks it.
func makeFolder(home string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	return checkFolder(home)
}

// readPrivate reads all of a file, but for what exceeds most bytes by more than
// one.
func readPrivate(path, what string, forbidden fs.FileMode, most int64) ([]byte, error) {
	file, err := openPrivate(path, what, forbidden)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return data, nil
}

// writeTemp writes text to a new file of mode 0600 beside path and returns its
// name.
func writeTemp(path, text string) (name string, err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return "", err
	}
	_, err = temp.WriteString(text)
	if err == nil {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(temp.Name())
		return "", err
	}
	return temp.Name(), nil
}

// sweepTemp removes files of writeTemp, of at least that age, that killed
// programs left beside path.
func sweepTemp(path string, age time.Duration) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), filepath.Base(path)+".*.tmp"))
	for _, name := range left {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) >= age {
			os.Remove(name)
		}
	}
}
