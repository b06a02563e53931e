//go:build unix && !solaris && !illumos && !aix

package folder

import (
	"os"
	"syscall"
)

// lock waits until no other process, or goroutine, has the lock of the file,
// and returns what releases it. The end of the process releases it too.
func lock(name string) (func(), error) { return flock(name, syscall.LOCK_EX) }

// share is lock for any number at a time, but none that has it alone.
func share(name string) (func(), error) { return flock(name, syscall.LOCK_SH) }

// try is lock that fails instead of waiting.
func try(name string) (func(), error) { return flock(name, syscall.LOCK_EX|syscall.LOCK_NB) }

func flock(name string, how int) (func(), error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		_ = f.Close() // the error of the lock counts
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return func() { _ = f.Close() }, nil
}
