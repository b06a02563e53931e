//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package peer

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// lockFile waits until no other program or goroutine holds the lock at path,
// takes it, and returns what gives it back. The system gives it back when a
// program ends in whatever way. The file stays: removing it would let two
// programs lock two files of one name.
func lockFile(path string) (unlock func(), err error) {
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	for start := time.Now(); ; time.Sleep(lockPoll) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { file.Close() }, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		case time.Since(start) > lockTimeout:
			file.Close()
			return nil, fmt.Errorf("another program has locked %s for %v", path, lockTimeout)
		}
	}
}
