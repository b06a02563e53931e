package throwaway

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	folderPrefix = "imgsend-tw-"
	socketLimit  = 107 // bytes of a unix socket's path
	logLimit     = 16 << 10
)

// folder holds everything of one engine. Its owner holds a lock (flock) on it
// while it lives, so that folders of killed owners can be recognised.
type folder struct {
	path   string
	lock   *os.File
	memory *os.File // mount namespace with the data in memory, or nil
}

// newFolder removes what killed owners left and makes a new folder.
func newFolder() (*folder, error) {
	parent, err := parentFolder()
	if err != nil {
		return nil, err
	}
	removeStale(parent)
	for range 100 {
		path := filepath.Join(parent, folderPrefix+randomName())
		if err := os.Mkdir(path, 0o700); errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		lock, err := lockFolder(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) {
			continue // taken for a stale one in the moment before the lock
		}
		if err != nil {
			return nil, err
		}
		f := &folder{path: path, lock: lock}
		for _, sub := range []string{f.data(), filepath.Join(path, "m"), filepath.Join(path, "etc")} {
			if err := os.Mkdir(sub, 0o711); err != nil {
				return nil, errors.Join(err, f.remove())
			}
		}
		return f, nil
	}
	return nil, fmt.Errorf("make a folder in %s: no free name", parent)
}

// parentFolder is the temporary folder, or /tmp where its path is too long for
// a socket in it.
func parentFolder() (string, error) {
	parent, err := filepath.Abs(os.TempDir())
	if err != nil {
		return "", err
	}
	if parent, err = filepath.EvalSymlinks(parent); err != nil {
		return "", err
	}
	f := folder{path: filepath.Join(parent, folderPrefix+randomName())}
	// A path in the options of an overlay mount cannot have these.
	if len(f.socket()) > socketLimit || strings.ContainsAny(parent, ":,\\") {
		return "/tmp", nil
	}
	return parent, nil
}

func randomName() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// lockFolder takes the lock of a folder. It fails with EWOULDBLOCK when it has
// an owner and with ErrNotExist when it was removed meanwhile.
func lockFolder(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	ours, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	now, err := os.Lstat(path)
	if err == nil && !os.SameFile(ours, now) {
		err = &os.PathError{Op: "lock", Path: path, Err: os.ErrNotExist}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// removeStale removes the folders of owners that are dead. What cannot be
// removed is left for the next time.
func removeStale(parent string) {
	paths, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
	for _, path := range paths {
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil || int(st.Uid) != os.Geteuid() {
			continue
		}
		lock, err := lockFolder(path)
		if err != nil {
			continue
		}
		_ = (&folder{path: path, lock: lock}).remove()
	}
}

func (f *folder) name() string         { return filepath.Base(f.path) }
func (f *folder) socket() string       { return filepath.Join(f.path, "e.sock") }
func (f *folder) data() string         { return filepath.Join(f.path, "data") }
func (f *folder) podmanRoot() string   { return filepath.Join(f.data(), "r") }
func (f *folder) daemonConfig() string { return filepath.Join(f.path, "daemon.json") }
func (f *folder) nativeConfig() string { return filepath.Join(f.path, "containerd.toml") }
func (f *folder) logFile() string      { return filepath.Join(f.path, "log") }

func (f *folder) openLog() (*os.File, error) {
	return os.OpenFile(f.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// logTail returns the end of the log, or why there is none.
func (f *folder) logTail() string {
	log, err := os.Open(f.logFile())
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	if size, err := log.Seek(0, io.SeekEnd); err == nil {
		_, _ = log.Seek(max(0, size-logLimit-1), io.SeekStart)
	}
	b, err := io.ReadAll(log)
	if err != nil {
		return err.Error()
	}
	return lastBytes(string(b), logLimit)
}

// remove removes the folder, and the cgroups of the engine's containers. The
// engine must have ended. The lock is held until all is gone.
func (f *folder) remove() error {
	if f.lock == nil {
		return nil
	}
	f.removeCgroups()
	if f.memory != nil {
		f.memory.Close()
		f.memory = nil
	}
	if err := removeTree(f.path); err != nil {
		return err
	}
	f.lock.Close()
	f.lock = nil
	return nil
}
