package throwaway_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway"
)

func TestSleeper(t *testing.T) {
	l, err := throwaway.Sleeper()
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("it does not run here: ", err)
	}
	path := filepath.Join(t.TempDir(), "sleep")
	if err := os.WriteFile(path, []byte(l.File.Content), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Errorf("it ended: %v", err)
	case <-time.After(200 * time.Millisecond):
		_ = cmd.Process.Kill()
		<-ended
	}
}
