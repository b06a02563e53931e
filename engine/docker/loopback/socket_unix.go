//go:build unix

package loopback

import "syscall"

// smallBuffers sets the size of a socket's buffer for received bytes, and of its
// segments: the sender's buffer grows with these. Only speed depends on it, so
// errors are ignored.
func smallBuffers(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400)
}
