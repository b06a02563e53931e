package archive

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A temporary is a file that gets its name later. Where the system supports that, it has
// no name until then, so that a killed program leaves no file.
type temporary struct {
	f    *os.File
	name string // another name that it has meanwhile, beside the later one; empty: none
}

// newTemporary makes a file in the folder of target. The caller closes it and calls
// become or remove.
func newTemporary(target string, mode fs.FileMode) (*temporary, error) {
	dir := folderOf(target)
	if f := openNameless(dir, mode); f != nil {
		return &temporary{f: f}, nil
	}
	name := temporaryName(target)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	return &temporary{f: f, name: name}, nil
}

// folderOf returns the folder that path is in. It does not clean it, which would be
// wrong behind a symbolic link.
func folderOf(path string) string {
	if dir, _ := filepath.Split(path); dir != "" {
		return dir
	}
	return "."
}

func temporaryName(target string) string {
	dir, base := filepath.Split(target)
	return dir + "." + base + "." + rand.Text()[:8]
}

// become puts the file, which is still open, in the place of target. What is there
// is replaced itself, and not followed; with keep it stays, and [fs.ErrExist] is true of
// the error.
func (t *temporary) become(target string, keep bool) error {
	if t.name == "" {
		err := linkNameless(t.f, target)
		if err == nil || keep || !errors.Is(err, fs.ErrExist) {
			return err
		}
		name := temporaryName(target)
		if err := linkNameless(t.f, name); err != nil {
			return err
		}
		t.name = name
	}
	if keep {
		return os.Link(t.name, target) // remove takes the other name away
	}
	if in, err := os.Lstat(target); err == nil {
		if err := checkOwner(folderOf(target), in); err != nil {
			return err
		}
	}
	if err := os.Rename(t.name, target); err != nil {
		return err
	}
	t.name = ""
	return nil
}

// remove removes what did not become the file.
func (t *temporary) remove() error {
	if t.name == "" {
		return nil
	}
	return os.Remove(t.name)
}
