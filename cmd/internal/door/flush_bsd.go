//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package door

import (
	"os"

	"golang.org/x/sys/unix"
)

// flushInput discards input that was typed on a terminal and not read yet.
func flushInput(f *os.File) {
	const read = 1 // FREAD in sys/fcntl.h
	_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCFLUSH, read)
}
