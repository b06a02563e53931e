//go:build !linux

package lab

import (
	"os"
	"os/exec"
)

// On other systems throwaway engines do not start, and nothing here is reached
// that would matter.

func tie(*exec.Cmd) {}

func peakOf(*os.ProcessState) int64 { return 0 }
