package state

import (
	"fmt"
	"os"
	"time"
)

const (
	// lockTimeout is how long to wait for another program, which holds the lock for
	// milliseconds.
	lockTimeout = 10 * time.Second

	// lockPoll is the time between two attempts.
	lockPoll = 2 * time.Millisecond
)

// Lock locks the file at path, which it creates if necessary, and returns a function that
// unlocks it. It waits up to lockTimeout while another program or goroutine holds the lock. The
// system releases the lock when the program ends. The file is never removed: otherwise two
// programs could lock two files with the same name. A symbolic link is an error, except on
// Windows.
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

// openLock opens the file at path, and creates it if it does not exist.
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
