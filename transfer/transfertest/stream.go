// Package transfertest is packages transfer and transfer/wire for tests: images, a
// source and a sink in memory, what a good copy of them does, and the stream that
// imgsend and imgrecv would have between them.
package transfertest

import (
	"net"
	"testing"
	"time"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
)

// TCP returns the two ends of a TCP connection, which are closed when the test
// ends.
func TCP(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.DialTimeout("tcp", l.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

// Copy copies src to dst, as the two programs do: over a TCP connection with a
// Sender and a Receiver at its ends. What it returns is what the sender says; it
// fails the test if only one of the two has an error.
func Copy(t testing.TB, src transfer.Source, dst transfer.Sink, o transfer.Options) (*transfer.Report, error) {
	t.Helper()
	ctx := t.Context()
	near, far := TCP(t)
	received := make(chan error, 1)
	go func() {
		rcv, err := wire.NewReceiver(ctx, far, wire.Hello{Program: "imgrecv test"}, wire.StreamOptions{})
		if err == nil {
			_, err = transfer.Copy(ctx, rcv, dst, transfer.Options{})
		}
		received <- err
	}()
	snd, err := wire.NewSender(ctx, near, wire.Hello{Program: "imgsend test"}, wire.StreamOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := transfer.Copy(ctx, src, snd, o)
	if rerr := <-received; (rerr == nil) != (err == nil) {
		t.Errorf("the sender says %v, the receiver %v", err, rerr)
	}
	return rep, err
}
