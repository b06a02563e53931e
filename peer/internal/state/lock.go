package state

import (
	"fmt"
	"os"
	"time"
)

const (
	// lockTimeout is how long to wait for another program, which needs
	// milliseconds.
	lockTimeout = 10 * time.Second

	// lockPoll is how often to try.
	lockPoll = 2 * time.Millisecond
)

// Lock waits until no other program or goroutine holds the lock at path, takes
// it, and returns what gives it back. The system gives it back when a program
// ends in whatever way. The file stays: if it were removed, two programs could
// lock two files of one name. A symbolic link is refused.
func Lock(path string) (unlock func(), err error) {
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	for start := time.Now(); ; time.Sleep(lockPoll) {
		locked, err := tryLock(file)
		switch {
		case locked:
			return func() { file.Close() }, nil
		case err != nil:
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		case time.Since(start) > lockTimeout:
			file.Close()
			return nil, fmt.Errorf("another program has locked %s for %v", path, lockTimeout)
		}
	}
}

// openLock opens the file at path, and makes it where there is none.
func openLock(path string) (*os.File, error) {
	file, err := openNoFollow(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err == nil {
		err = checkOwner(path, info)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
