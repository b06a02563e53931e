//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package peer_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
)

// uses are the ways to use the home folder, each with the text that the error for a damaged one
// must contain.
var uses = map[string]func(home string) error{
	"identity.key": func(home string) error {
		_, err := peer.LoadIdentity(home)
		return err
	},
	"peers": func(home string) error {
		_, err := peer.OpenBook(home).List()
		return err
	},
	"peers.lock": func(home string) error {
		_, err := peer.OpenBook(home).Add(peer.Peer{ID: someParsedID, Name: "buildbox"})
		return err
	},
}

var someParsedID = func() peer.ID {
	id, err := peer.ParseID(someID)
	if err != nil {
		panic(err)
	}
	return id
}()

// usedHome returns a home folder with an identity and a saved peer.
func usedHome(t *testing.T) string {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	if _, err := peer.LoadIdentity(home); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.OpenBook(home).Add(peer.Peer{ID: someParsedID, Name: "buildbox"}); err != nil {
		t.Fatal(err)
	}
	return home
}

// refused runs a use of a home folder and wants an immediate error with these words.
func refused(t *testing.T, home, way string, words ...string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- uses[way](home) }()
	select {
	case err := <-done:
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: error %v, want one with %q", way, err, word)
			}
		}
	case <-time.After(peertest.Patience):
		t.Fatalf("%s: hangs", way)
	}
}

func TestHomeWithAFIFO(t *testing.T) {
	for way := range uses {
		home := usedHome(t)
		path := filepath.Join(home, way)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, home, way, path, "not a regular file")
	}
}

func TestHomeThatOthersCanWrite(t *testing.T) {
	for way := range uses {
		for _, mode := range []os.FileMode{0o770, 0o707, 0o777} {
			home := usedHome(t)
			book := peer.OpenBook(home)
			if !book.Known(someParsedID) {
				t.Fatal("not known")
			}
			if err := os.Chmod(home, mode); err != nil {
				t.Fatal(err)
			}
			refused(t, home, way, "chmod go-w "+home)
			if book.Known(someParsedID) {
				t.Error("known by a file in a folder that others can write")
			}
		}
	}
}

func TestHomeOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	const other = 54321
	for way := range uses {
		home := usedHome(t)
		if err := os.Chown(filepath.Join(home, way), other, other); err != nil {
			t.Fatal(err)
		}
		refused(t, home, way, "belongs to user 54321", "chown 0 "+filepath.Join(home, way), "IMGSEND_HOME")
		home = usedHome(t)
		if err := os.Chown(home, other, other); err != nil {
			t.Fatal(err)
		}
		refused(t, home, way, "belongs to user 54321", "chown 0 "+home, "IMGSEND_HOME")
	}
}

// The lock is the file that a program opens for writing, so it must not follow a link
// elsewhere.
func TestLockIsNoSymbolicLink(t *testing.T) {
	home := usedHome(t)
	lock, elsewhere := filepath.Join(home, "peers.lock"), filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, lock); err != nil {
		t.Fatal(err)
	}
	refused(t, home, "peers.lock", lock+": it is a symbolic link")
	if _, err := os.Lstat(elsewhere); err == nil {
		t.Error("the file that the link points to was made")
	}
}

// Files that killed programs left are removed at the next write.
func TestTemporaryFilesAreSwept(t *testing.T) {
	home := usedHome(t)
	if err := os.Remove(filepath.Join(home, "identity.key")); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"peers.1.tmp", "peers.22.tmp", "identity.key.333.tmp"} {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	for way, use := range uses {
		if err := use(home); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(home, "*.tmp")); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}
