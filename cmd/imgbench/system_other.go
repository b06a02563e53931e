//go:build !linux

package main

import (
	"errors"
	"os"
	"runtime"
)

// On other systems throwaway engines do not start, and nothing here is reached
// that would matter.

func lowerPeak() {}

func ownPeak() int64 { return 0 }

func flushDisks() {}

func freeDisk(string) (int64, error) { return 0, errors.ErrUnsupported }

func relay(_, _ *os.File) (int64, error) { return 0, errors.ErrUnsupported }

func machine() string { return runtime.GOOS }
