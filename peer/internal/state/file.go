package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// tempStale is the age after which a temporary file of [Create] is no longer in use.
const tempStale = time.Minute

// Read returns the content of a file in the home folder, at most most+1 bytes, so that the
// caller can detect a file that is too long. It refuses a file with one of the forbidden
// permissions. what names the file in errors. If the file does not exist, the error wraps
// fs.ErrNotExist.
func Read(path, what string, forbidden fs.FileMode, most int64) ([]byte, error) {
	if err := CheckFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	file, err := openNow(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	defer file.Close()
	if err := checkFile(file, path, what, forbidden); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return data, nil
}

// Create writes text to a new file with mode 0600. If the file exists, Create does not change
// it and returns nil.
func Create(path, text string) error {
	sweepTemp(path, tempStale)
	temp, err := writeTemp(path, text)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	err = os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// Some file systems have no hard links. There an exclusive create claims the name. The file
	// stays empty only after a crash between the next two calls.
	claim, claimErr := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(claimErr, fs.ErrExist) {
		return nil
	}
	if claimErr != nil {
		return err
	}
	return errors.Join(claim.Close(), os.Rename(temp, path))
}

// Replace replaces the content of the file at path by text, completely or not at all, with mode
// 0600. The caller must hold the [Lock] of the file.
func Replace(path, text string) error {
	sweepTemp(path, 0) // the holder of the lock is the only writer
	temp, err := writeTemp(path, text)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	// The file has its new content. Not all systems can sync a folder.
	if folder, err := os.Open(filepath.Dir(path)); err == nil {
		_ = folder.Sync()
		folder.Close()
	}
	return nil
}

// writeTemp writes text to a new file with mode 0600 in the folder of path and returns its
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

// sweepTemp removes temporary files for path that killed programs left and that have at least
// the given age.
func sweepTemp(path string, age time.Duration) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), filepath.Base(path)+".*.tmp"))
	for _, name := range left {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) >= age {
			os.Remove(name)
		}
	}
}
