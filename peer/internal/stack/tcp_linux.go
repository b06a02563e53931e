package stack

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxRetransmit bounds the kernel's pause between two retransmissions. Without
// it the pause doubles each time, and after a cut of 20 s the line may stay
// silent for as long again. Much less would flood a slow line, whose round trip
// takes seconds, with retransmissions.
const maxRetransmit = 5 * time.Second

// setTimeouts sets on a TCP socket what package net does not know. Sockets that
// are accepted inherit it from the listening one.
func setTimeouts(_, _ string, socket syscall.RawConn) error {
	var err error
	failed := socket.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(lostAfter/time.Millisecond))
		// Linux before 6.15 lacks this one.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RTO_MAX_MS, int(maxRetransmit/time.Millisecond))
	})
	if failed != nil {
		return failed
	}
	return err
}
