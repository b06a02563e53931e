package stack

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxRetransmit limits the kernel's pause between two retransmissions. The pause doubles each
// time, so that after an interruption of 20 s the connection could stay silent for another 20
// s. A much lower limit would flood a slow connection, whose round trip takes seconds, with
// retransmissions.
const maxRetransmit = 5 * time.Second

// setTimeouts sets the options of a TCP socket that package net does not support. Accepted
// sockets inherit them from the listening socket.
func setTimeouts(_, _ string, socket syscall.RawConn) error {
	var err error
	failed := socket.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(lostAfter/time.Millisecond))
		// Linux before 6.15 does not support this option.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, int(maxRetransmit/time.Millisecond))
	})
	if failed != nil {
		return failed
	}
	return err
}
