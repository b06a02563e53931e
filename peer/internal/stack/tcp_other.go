//go:build !linux

package stack

import "syscall"

// setTimeouts does nothing: the system's timeouts apply.
func setTimeouts(_, _ string, _ syscall.RawConn) error { return nil }
