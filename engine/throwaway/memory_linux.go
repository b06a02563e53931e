package throwaway

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	memoryLimit  = 2 << 30         // of an engine's data in memory, unless DiskLimit says otherwise
	memoryNeeded = 3 * memoryLimit // available memory with which AnyData chooses memory
)

// place resolves AnyData, and the limit of data in memory.
func (s Spec) place() (Spec, error) {
	switch {
	case s.DiskLimit > 0 && s.Data == OnDisk:
		return s, errors.New("a DiskLimit takes data in memory")
	case s.DiskLimit > 0:
		s.Data = InMemory
	case s.Data == AnyData:
		s.Data = OnDisk
		if n, err := AvailableMemory(); err == nil && n >= memoryNeeded {
			s.Data = InMemory
		}
	}
	if s.Data == InMemory && s.DiskLimit == 0 {
		s.DiskLimit = memoryLimit
	}
	return s, nil
}

// AvailableMemory returns how many bytes the kernel could give to programs
// without swapping.
func AvailableMemory() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "\nMemAvailable:")
	n, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseInt(n, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("MemAvailable of /proc/meminfo: %w", err)
	}
	return kib << 10, nil
}

// mountMemory makes a mount namespace in which a tmpfs of so many bytes is
// mounted at path, and returns that namespace. No process is in it: it, and the
// memory, last as long as the file is open, or a namespace that was copied from
// it. So they end with this process, however it ends.
func mountMemory(path string, size int64) (namespace *os.File, err error) {
	onOwnThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNS); err != nil {
			err = os.NewSyscallError("unshare", err)
			return
		}
		if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			err = &os.PathError{Op: "make slave", Path: "/", Err: err}
			return
		}
		if err = unix.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%d,mode=711", size)); err != nil {
			err = &os.PathError{Op: "mount a tmpfs at", Path: path, Err: err}
			return
		}
		namespace, err = os.Open("/proc/thread-self/ns/mnt")
	})
	return namespace, err
}

// enterMountNS moves this thread, which must be one of [onOwnThread], to a mount
// namespace; nil is the one where it is.
func enterMountNS(namespace *os.File) error {
	if namespace == nil {
		return nil
	}
	// A thread that shares its working directory with others may not move.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter mount namespace: %w", err)
	}
	return nil
}
