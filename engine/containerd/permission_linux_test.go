package containerd_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/imgsend/imgsend/engine/containerd"
	"github.com/imgsend/imgsend/transfer"
)

// TestNoPermission opens a socket that this user may not use.
func TestNoPermission(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root, who can become another user")
	}
	// Not t.TempDir(), which other users may not enter.
	dir, err := os.MkdirTemp("", "imgsend-permission-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const gid = 54321
	for _, test := range []struct {
		gid  int
		mode os.FileMode
		hint string
	}{
		{gid, 0o660, "as a user of the group 54321"},
		{gid, 0o600, "run it with sudo: only root"},
		{0, 0o660, "run it with sudo: only root"},
	} {
		if err := os.Chown(path, 0, test.gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		err := asNobody(t, func() error {
			_, err := containerd.Open(t.Context(), path, "test", "")
			return err
		})
		if transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), "may not use") || !strings.Contains(hint(err), test.hint) {
			t.Errorf("group %d, mode %o: %v, hint %q", test.gid, test.mode, err, hint(err))
		}
	}
}

// asNobody calls f as a user without rights: the whole process for that time.
func asNobody(t *testing.T, f func() error) error {
	t.Helper()
	groups, err := syscall.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(-1, 65534, -1), syscall.Setresuid(-1, 65534, -1)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(syscall.Setresuid(-1, 0, -1), syscall.Setresgid(-1, 0, -1), syscall.Setgroups(groups)); err != nil {
			panic(err) // nothing after it could be trusted
		}
	}()
	return f()
}
