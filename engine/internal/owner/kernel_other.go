//go:build !linux

package owner

// Here returns UnknownBoot and 0: there are no boot IDs and PID namespaces
// here.
func Here() (boot string, ns uint64) { return UnknownBoot, 0 }
