package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Carry sends a number of bytes over the link by TCP, and returns the time from the dial
// to the arrival of the last byte.
func (l *Link) Carry(ctx context.Context, bytes int64) (time.Duration, error) {
	var listener net.Listener
	err := inside(l.Receiver, func() (err error) {
		listener, err = net.Listen("tcp", RecvAddr+":0")
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("listen on the link: %w", err)
	}
	defer listener.Close()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	arrived := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			_, err = io.CopyN(io.Discard, conn, bytes)
			stop()
			err = errors.Join(err, conn.Close())
		}
		arrived <- err
	}()
	began := time.Now()
	var conn net.Conn
	err = inside(l.Sender, func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", listener.Addr().String())
		return err
	})
	if err != nil {
		listener.Close()
		<-arrived //nolint:errcheck // that the listener was closed
		return 0, fmt.Errorf("dial over the link: %w", err)
	}
	defer conn.Close()
	stopSend := context.AfterFunc(ctx, func() { conn.Close() })
	defer stopSend()
	_, err = io.CopyN(conn, zeros{}, bytes)
	err = errors.Join(err, <-arrived)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return time.Since(began), err
}

// zeros is bytes without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// inside runs f in a network namespace, on a thread that ends with it.
func inside(ns string, f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		result <- func() error {
			file, err := os.Open("/run/netns/" + ns)
			if err != nil {
				return err
			}
			defer file.Close()
			if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
				return os.NewSyscallError("setns", err)
			}
			return f()
		}()
	}()
	return <-result
}
