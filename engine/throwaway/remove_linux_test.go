package throwaway

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A tree with an immutable file and a mount in it is removed, and what is
// mounted is not touched.
func TestRemoveTree(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	outside := filepath.Join(t.TempDir(), "keep")
	top := filepath.Join(t.TempDir(), "top")
	in := filepath.Join(top, "a dir", "b")
	for _, d := range []string{outside, in} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{filepath.Join(outside, "f"), filepath.Join(top, "immutable")} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount(outside, in, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	if out, err := exec.Command("chattr", "+i", filepath.Join(top, "immutable")).CombinedOutput(); err != nil {
		t.Logf("without an immutable file: %s", out)
	}
	if err := removeTree(top); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(top); !os.IsNotExist(err) {
		t.Errorf("the tree is left: %v", err)
	}
	if _, err := os.Stat(filepath.Join(outside, "f")); err != nil {
		t.Errorf("removed through the mount: %v", err)
	}
}

func TestFolderLock(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	a, err := newFolder()
	if err != nil {
		t.Fatal(err)
	}
	a.lock.Close() // as when its owner is killed
	b, err := newFolder()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(a.path); !os.IsNotExist(err) {
		t.Errorf("a folder without owner is left: %v", err)
	}
	c, err := newFolder()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.path); err != nil {
		t.Errorf("a folder with an owner was removed: %v", err)
	}
	for _, f := range []*folder{b, c} {
		if err := f.remove(); err != nil {
			t.Error(err)
		}
		if err := f.remove(); err != nil {
			t.Errorf("again: %v", err)
		}
	}
}
