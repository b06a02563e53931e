package lab

import (
	"os"
	"os/exec"
	"syscall"
)

// tie makes a command's process die with this program, and leaves an interrupt
// typed at the terminal to this program alone.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// peakOf returns the peak resident set of an ended process. It is never less
// than that of this program when it started the process: a child begins in its
// parent's memory, which the kernel counts as its own.
func peakOf(s *os.ProcessState) int64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return int64(u.Maxrss) << 10 //nolint:unconvert // has 32 bits on some systems
	}
	return 0
}
