// Package throwawaytest is package throwaway for tests: what cannot run here is
// skipped with the reason, and what was started is stopped at the end.
package throwawaytest

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// EnginesVar is the environment variable that names the folder of unpacked
// systems with engines of other versions.
const EnginesVar = "IMGSEND_ENGINES"

// Specs lists the engines that can run here. If there are none, it skips the
// test and says why.
func Specs(t testing.TB) []throwaway.Spec {
	t.Helper()
	return listed(t, throwaway.Available)
}

// NativeSpecs is as [Specs], for containerd by itself.
func NativeSpecs(t testing.TB) []throwaway.Spec {
	t.Helper()
	return listed(t, throwaway.AvailableNative)
}

func listed(t testing.TB, available func(dir string) ([]throwaway.Spec, []throwaway.Skipped)) []throwaway.Spec {
	t.Helper()
	specs, skipped := available(os.Getenv(EnginesVar))
	var reasons []string
	for _, s := range skipped {
		reasons = append(reasons, s.Name+": "+s.Reason)
	}
	why := strings.Join(reasons, "; ")
	if len(specs) == 0 {
		t.Skip("no container engine can be started here: " + why)
	}
	if why != "" {
		t.Log("not tested: " + why)
	}
	return specs
}

// ShortDir makes TMPDIR a folder for the time of the test and returns it. Its path
// is short enough for a socket in it, unlike that of t.TempDir.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return dir
}

// KillAt starts a command and kills it when it has printed line.
func KillAt(t testing.TB, cmd *exec.Cmd, line string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, found := bufio.NewScanner(out), false
	for !found && lines.Scan() {
		found = lines.Text() == line
	}
	_ = cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if !found {
		t.Fatalf("%v ended without %q", cmd, line)
	}
}

// Ctr runs containerd's own client on an engine and returns what it prints.
func Ctr(t testing.TB, e *throwaway.Engine, args ...string) string {
	t.Helper()
	argv := e.Ctr(args...)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ctr %v: %v: %s", args, err, stderr.String())
	}
	return string(out)
}

// Start starts an engine for the time of the test. If the test fails, it logs
// the end of the engine's log.
func Start(t testing.TB, spec throwaway.Spec) *throwaway.Engine {
	t.Helper()
	e, err := throwaway.Start(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of %s ends:\n%s", spec.Name, e.Log())
		}
	})
	return e
}
