//go:build !linux

package engine

// thisKernel returns unknownBoot and 0: there are no boot IDs and PID namespaces
// here.
func thisKernel() (boot string, ns uint64) { return unknownBoot, 0 }
