//go:build unix

package cli_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
)

// TestOpenInputPipe reads a named pipe: one with a writer, one that nobody opens for
// writing, and one whose writer is silent. An interrupt ends the waiting.
func TestOpenInputPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(ctx context.Context) ([]byte, error) {
		f, err := cli.OpenInput(ctx, path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(f)
	}
	t.Run("writer", func(t *testing.T) {
		go func() { _ = os.WriteFile(path, []byte("list"), 0o600) }()
		if b, err := read(t.Context()); err != nil || string(b) != "list" {
			t.Errorf("%q, %v", b, err)
		}
	})
	interrupted := func(t *testing.T) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := read(ctx)
			ended <- err
		}()
		select {
		case err := <-ended:
			t.Fatalf("it has not waited: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it waits on")
		}
	}
	t.Run("no writer", interrupted)
	t.Run("silent writer", func(t *testing.T) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		interrupted(t)
	})
}
