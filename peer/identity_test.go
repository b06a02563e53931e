package peer_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
)

func TestHome(t *testing.T) {
	t.Setenv("IMGSEND_HOME", "/some/where")
	if home, err := peer.Home(); err != nil || home != "/some/where" {
		t.Errorf("Home() = %q, %v", home, err)
	}
	t.Setenv("IMGSEND_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "/config")
	t.Setenv("HOME", "/home/me")
	if home, err := peer.Home(); err != nil || filepath.Base(home) != "imgsend" {
		t.Errorf("Home() = %q, %v", home, err)
	}
}

func TestIdentityIsCreatedOnceAndKept(t *testing.T) {
	home := filepath.Join(t.TempDir(), "a", "b")
	first, err := peer.LoadIdentity(home)
	if err != nil {
		t.Fatal(err)
	}
	second, err := peer.LoadIdentity(home)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Equals(second) {
		t.Error("the key changed between two loads")
	}
	for path, want := range map[string]os.FileMode{home: 0o700, filepath.Join(home, "identity.key"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %04o, want %04o", path, info.Mode().Perm(), want)
		}
	}
	entries, err := os.ReadDir(home)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v; want the key alone", entries, err)
	}
}

func TestIdentityFormat(t *testing.T) {
	home := t.TempDir()
	// The seed and the ID of RFC 8032, 7.1, test 1.
	write(t, home, "imgsend-ed25519-seed nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n")
	key, err := peer.LoadIdentity(home)
	if err != nil {
		t.Fatal(err)
	}
	const want = "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV"
	if id := peertest.ID(t, key).String(); id != want {
		t.Errorf("the ID is %s, want %s", id, want)
	}
}

func TestIdentityRace(t *testing.T) {
	for range 20 {
		home := filepath.Join(t.TempDir(), "home")
		ids := make([]peer.ID, 8)
		var start, done sync.WaitGroup
		start.Add(1)
		for i := range ids {
			done.Go(func() {
				start.Wait()
				key, err := peer.LoadIdentity(home)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = peertest.ID(t, key)
			})
		}
		start.Done()
		done.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("two keys came out of one race: %s and %s", ids[0], id)
			}
		}
	}
}

func TestIdentityDamagedIsAnErrorAndKept(t *testing.T) {
	const good = "imgsend-ed25519-seed nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n"
	for name, content := range map[string]string{
		"empty":        "",
		"no newline":   strings.TrimSpace(good),
		"truncated":    good[:40] + "\n",
		"two lines":    good + good,
		"long":         good + strings.Repeat("x", 10000),
		"other format": "-----BEGIN PRIVATE KEY-----\n",
		"not base64":   "imgsend-ed25519-seed !!!!\n",
		"trailing":     strings.Replace(good, "=\n", "= \n", 1),
		"zeroes":       strings.Repeat("\x00", len(good)),
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			path := write(t, home, content)
			_, err := peer.LoadIdentity(home)
			if err == nil {
				t.Fatal("a damaged key was accepted")
			}
			for _, want := range []string{path, "damaged", "remove it"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "nWGxne") {
				t.Errorf("error %q quotes the key", err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != content {
				t.Errorf("the file was changed to %q, %v", after, err)
			}
		})
	}
}

func TestIdentityReadableByOthersIsRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o660} {
		home := t.TempDir()
		if _, err := peer.LoadIdentity(home); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(home, "identity.key")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := peer.LoadIdentity(home)
		if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: error %v does not say what to run", mode, err)
		}
	}
}

func TestIdentityIsAFolder(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "identity.key"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.LoadIdentity(home); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("error %v", err)
	}
}

func TestIdentityFolderCannotBeMade(t *testing.T) {
	home := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(home, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.LoadIdentity(home); err == nil {
		t.Error("a key was made below a file")
	}
}

func write(t *testing.T, home, content string) string {
	t.Helper()
	path := filepath.Join(home, "identity.key")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
