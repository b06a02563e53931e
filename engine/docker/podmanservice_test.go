//go:build linux

package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/transfer"
)

const podmanRootVar = "IMGSEND_TEST_PODMAN_ROOT"

// ownPodman returns the command for a Podman with its data in dir.
func ownPodman(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("takes root")
	}
	command, err := exec.LookPath(podmanCommand)
	if err != nil {
		t.Skip(err)
	}
	return exec.Command(command, "--root", filepath.Join(dir, "r"), "--runroot", filepath.Join(dir, "rr"), "--storage-driver", "vfs",
		"--cgroup-manager", "cgroupfs", "system", "service", "--time=0")
}

// TestPodmanService opens a Podman that nobody serves, and leaves nothing of it.
func TestPodmanService(t *testing.T) {
	cmd := ownPodman(t, t.TempDir())
	e, err := startPodman(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	list, err := e.api.ImageList(t.Context(), image.ListOptions{All: true})
	if err != nil || len(list) != 0 {
		t.Errorf("images %v, %v", list, err)
	}
	if e.Kind() != Podman || !strings.HasSuffix(e.Where(), "(podman system service, started for this run)") {
		t.Errorf("it is %s", e.Where())
	}
	dir := e.own.dir
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of the socket is left: %v", err)
	}
	if running(cmd.Process.Pid) {
		t.Error("the service runs on")
	}
}

// TestPodmanServiceFails reports what the command said when it ended.
func TestPodmanServiceFails(t *testing.T) {
	_, err := startPodman(t.Context(), exec.Command("/bin/sh", "-c", "echo cannot set up namespace >&2; exit 125"))
	if err == nil || err.Error() != "cannot set up namespace" {
		t.Errorf("error %v, want what the command said", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := startPodman(ctx, exec.Command("/bin/sleep", "60")); transfer.KindOf(err) != transfer.KindInterrupted {
		t.Errorf("error %v of an interrupt", err)
	}
}

// TestPodmanServiceKilled kills a process that has started the service: the service
// ends, too.
func TestPodmanServiceKilled(t *testing.T) {
	if root := os.Getenv(podmanRootVar); root != "" {
		cmd := ownPodman(t, root)
		if _, err := startPodman(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("\nserving %d\n", cmd.Process.Pid)
		select {} // until it is killed
	}
	root := t.TempDir()
	ownPodman(t, root) // or skip
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestPodmanServiceKilled$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), podmanRootVar+"="+root, "XDG_RUNTIME_DIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "serving %d", &pid)
	}
	if pid != 0 && !running(pid) {
		t.Error("the service does not run: nothing is tested")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if pid == 0 {
		t.Fatal("the service was not started")
	}
	for end := time.Now().Add(20 * time.Second); running(pid); time.Sleep(podmanPoll) {
		if time.Now().After(end) {
			t.Fatal("the service runs on")
		}
	}
}

// TestSweepPodman removes the folder of a service that is gone, and no other.
func TestSweepPodman(t *testing.T) {
	base := t.TempDir()
	old := time.Now().Add(-2 * podmanStart)
	folder := func(name string) string {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	served, gone, starting, other := folder(podmanFolder+"1"), folder(podmanFolder+"2"), folder(podmanFolder+"3"), folder("mine")
	ln, err := net.Listen("unix", filepath.Join(served, podmanSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(gone, podmanSocket), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	for _, dir := range []string{served, gone, other} {
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	sweepPodman(base)
	for dir, want := range map[string]bool{served: true, gone: false, starting: true, other: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: %v", filepath.Base(dir), err)
		}
	}
}

// running reports whether a process exists and has not ended.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
