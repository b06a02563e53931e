//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package peer

// lockFile is lockExclusive: a lock that works on every system.
func lockFile(path string) (unlock func(), err error) { return lockExclusive(path) }
