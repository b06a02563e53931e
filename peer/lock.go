package peer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

const (
	// lockTimeout is how long to wait for another program, which needs
	// milliseconds.
	lockTimeout = 10 * time.Second

	// lockPoll is how often to look.
	lockPoll = 2 * time.Millisecond

	// lockStale is the age at which a lock that lockExclusive finds was left by
	// a program that crashed.
	lockStale = 5 * time.Second
)

// lockExclusive locks by creating a file that must not exist, for systems
// without a lock that ends with its program.
func lockExclusive(path string) (unlock func(), err error) {
	for start := time.Now(); ; time.Sleep(lockPoll) {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			file.Close()
			return func() { os.Remove(path) }, nil
		}
		// Windows denies access to a file that is just being removed.
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		if time.Since(start) > lockTimeout {
			return nil, fmt.Errorf("another program has locked %s for %v", path, lockTimeout)
		}
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > lockStale {
			os.Remove(path)
		}
	}
}
