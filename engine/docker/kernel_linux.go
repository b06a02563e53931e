package docker

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// thisKernel returns the start of the running kernel's boot ID and the PID namespace
// of this process, unknownBoot and 0 where they are not known.
var thisKernel = sync.OnceValues(func() (boot string, ns uint64) {
	boot = unknownBoot
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		if id := strings.ReplaceAll(string(b), "-", ""); len(id) >= len(unknownBoot) {
			boot = id[:len(unknownBoot)]
		}
	}
	if link, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		if _, err := fmt.Sscanf(link, "pid:[%d]", &ns); err != nil {
			ns = 0
		}
	}
	return boot, ns
})
