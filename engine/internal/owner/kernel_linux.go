package owner

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
)

// Here returns the start of the running kernel's boot ID and the PID namespace
// of this process, UnknownBoot and 0 where they are not known.
var Here = sync.OnceValues(func() (boot string, ns uint64) {
	boot = UnknownBoot
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		if id := strings.ReplaceAll(string(b), "-", ""); len(id) >= len(UnknownBoot) {
			boot = id[:len(UnknownBoot)]
		}
	}
	if link, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		if _, err := fmt.Sscanf(link, "pid:[%d]", &ns); err != nil {
			ns = 0
		}
	}
	return boot, ns
})

// gone reports whether there is no process pid in this PID namespace.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
