package docker

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/imgsend/imgsend/transfer"
)

// TestFindFailsAtOnce checks that nobody waits for an engine that is not there.
func TestFindFailsAtOnce(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "tcp://" + ln.Addr().String()
	_ = ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), identifyTimeout)
	defer cancel()
	for _, host := range []string{"unix://" + filepath.Join(t.TempDir(), "e.sock"), closed} {
		_, err := Find(ctx, host)
		if ctx.Err() != nil {
			t.Fatal("it waits")
		}
		if transfer.KindOf(err) != transfer.KindEngine {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestFindInterrupted interrupts the wait for an engine that does not answer.
func TestFindInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "e.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 2 { // the probe, and the question what it is
			if _, err := ln.Accept(); err != nil {
				return
			}
		}
		cancel()
	}()
	if _, err := Find(ctx, "unix://"+path); transfer.KindOf(err) != transfer.KindInterrupted {
		t.Errorf("interrupted: %v", err)
	}
}
