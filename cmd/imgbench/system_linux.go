package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"golang.org/x/sys/unix"
)

// lowerPeak makes imgbench as small as it can be at once, and its peak resident
// set begin there again.
func lowerPeak() {
	debug.FreeOSMemory()
	// If that is refused (proc_pid_clear_refs(5)), the old peak is what counts.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// ownPeak returns imgbench's own peak resident set. Getrusage would count in
// what was in the process before this program.
func ownPeak() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kb int64
	_, _ = fmt.Sscanf(rest, "%d", &kb) // 0 if there is none
	return kb << 10
}

// flushDisks writes all that is waiting to be written.
func flushDisks() { unix.Sync() }

func freeDisk(folder string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: folder, Err: err}
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // has 32 bits on some systems
}

// relay moves all bytes from one pipe to another inside the kernel, and counts
// them. It closes both.
func relay(to, from *os.File) (n int64, err error) {
	defer func() { err = errors.Join(err, to.Close(), from.Close()) }()
	in, out := int(from.Fd()), int(to.Fd())
	for {
		m, err := unix.Splice(in, nil, out, nil, 1<<20, unix.SPLICE_F_MOVE)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, fmt.Errorf("splice: %w", err)
		case m == 0:
			return n, nil
		default:
			n += int64(m) //nolint:unconvert // has 32 bits on some systems
		}
	}
}

// machine describes memory, kernel and what else keeps the machine busy.
func machine() string {
	var info unix.Sysinfo_t
	var name unix.Utsname
	if unix.Sysinfo(&info) != nil || unix.Uname(&name) != nil {
		return "linux"
	}
	const loadUnit = 1 << 16 // SI_LOAD_SHIFT
	return fmt.Sprintf("%s memory, load %.1f at the start, linux %s", cli.Bytes(int64(info.Totalram)*int64(info.Unit)),
		float64(info.Loads[0])/loadUnit, unix.ByteSliceToString(name.Release[:]))
}
