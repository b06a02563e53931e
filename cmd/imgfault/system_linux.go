package main

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/imgsend/imgsend/engine/throwaway"
	"golang.org/x/sys/unix"
)

// stop pauses a process.
func stop(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }

// goOn lets a paused process go on.
func goOn(pid int) error { return syscall.Kill(pid, syscall.SIGCONT) }

// usedBytes returns how many bytes an engine's data in memory takes.
func usedBytes(e *throwaway.Engine) (int64, error) {
	pid := e.PID()
	if pid == 0 {
		return 0, errors.New("the engine does not run")
	}
	var st unix.Statfs_t
	path := fmt.Sprintf("/proc/%d/root%s", pid, e.DataRoot())
	if err := unix.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", path, err)
	}
	return int64(st.Blocks-st.Bfree) * int64(st.Bsize), nil //nolint:unconvert // has 32 bits on some systems
}
