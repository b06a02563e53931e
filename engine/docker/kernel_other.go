//go:build !linux

package docker

// thisKernel returns unknownBoot and 0: there are no boot IDs and PID namespaces
// here.
func thisKernel() (boot string, ns uint64) { return unknownBoot, 0 }
