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

// tempStale is the age at which a temporary file of [Create] belongs to no
// running program.
const tempStale = time.Minute

// Read returns what is in a file of the home folder, but no more than most bytes
// and one. It refuses a file with any of the forbidden permissions. what names
// the file in errors; if the file does not exist, the error is fs.ErrNotExist.
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

// Create writes text to a new file of mode 0600. If the file exists by now, it
// stays as it is, which is no error.
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
	// Some file systems have no hard links. A name claimed exclusively keeps
	// the promise; only a crash between these two lines leaves the file empty.
	claim, claimErr := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(claimErr, fs.ErrExist) {
		return nil
	}
	if claimErr != nil {
		return err
	}
	return errors.Join(claim.Close(), os.Rename(temp, path))
}

// Replace puts text into the file at path, whole or not at all, with mode 0600.
// The caller holds the [Lock] of the file.
func Replace(path, text string) error {
	sweepTemp(path, 0) // whoever holds the lock is the only writer
	temp, err := writeTemp(path, text)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	// The file has its new content. Some systems cannot sync a folder.
	if folder, err := os.Open(filepath.Dir(path)); err == nil {
		_ = folder.Sync()
		folder.Close()
	}
	return nil
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

// sweepTemp removes the files that writeTemp made for path, that are at least
// that old, and that killed programs left.
func sweepTemp(path string, age time.Duration) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), filepath.Base(path)+".*.tmp"))
	for _, name := range left {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) >= age {
			os.Remove(name)
		}
	}
}
