//go:build unix

package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/transfer"
)

// writeTo copies an image into a file.
func writeTo(ctx context.Context, t *testing.T, path string) error {
	t.Helper()
	dst, err := archive.Create(ctx, path, archive.FileOptions{})
	if err != nil {
		return err
	}
	src, err := open(t, dockerArchive(t, testImage(2, "webapp:1.0")), true)
	if err != nil {
		t.Fatal(err)
	}
	_, err = transfer.Copy(ctx, src, dst, transfer.Options{})
	return err
}

// shared returns a folder like /tmp.
func shared(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, fs.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

const somebody = 12345 // another user

// TestCreateInSharedFolder writes where another user has put something under the
// name of the archive.
func TestCreateInSharedFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files of another user take root")
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, put := range map[string]func(path, precious string) error{
		"link":       func(path, precious string) error { return os.Symlink(precious, path) },
		"dead link":  func(path, precious string) error { return os.Symlink(precious+"x", path) },
		"named pipe": func(path, _ string) error { return syscall.Mkfifo(path, 0o666) },
		"file":       func(path, _ string) error { return os.WriteFile(path, []byte("theirs"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, precious := shared(t), filepath.Join(t.TempDir(), "precious")
			check(os.WriteFile(precious, []byte("precious"), 0o600))
			path := filepath.Join(dir, "images.tar")
			check(put(path, precious))
			check(os.Lchown(path, somebody, somebody))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			for _, path := range []string{path, dir + "/../" + filepath.Base(dir) + "/images.tar"} {
				if err := writeTo(ctx, t, path); transfer.KindOf(err) != transfer.KindUsage || !strings.Contains(err.Error(), "belongs to another user") {
					t.Errorf("%v", err)
				}
			}
			if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
				t.Errorf("the file is %d bytes now, %v", len(b), err)
			}
			if _, err := os.Lstat(precious + "x"); err == nil {
				t.Error("a file was made elsewhere")
			}
			if in, err := os.Lstat(path); err != nil || in.Sys().(*syscall.Stat_t).Uid != somebody {
				t.Errorf("it was replaced: %v, %v", in, err)
			}
			// In a folder of one's own it is of no matter whose it is.
			check(os.Chmod(dir, 0o700))
			if name != "named pipe" {
				check(writeTo(ctx, t, path))
			}
		})
	}
}

// TestCreateMeanwhile has another user's link take the place of the archive before
// it is complete.
func TestCreateMeanwhile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files of another user take root")
	}
	dir, precious := shared(t), filepath.Join(t.TempDir(), "precious")
	path := filepath.Join(dir, "images.tar")
	dst, err := archive.Create(t.Context(), path, archive.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(precious, []byte("precious"), 0o600), os.Symlink(precious, path), os.Lchown(path, somebody, somebody)); err != nil {
		t.Fatal(err)
	}
	src, err := open(t, dockerArchive(t, testImage(2, "webapp:1.0")), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Copy(t.Context(), src, dst, transfer.Options{}); err == nil {
		t.Error("it was replaced")
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
		t.Errorf("the file is %d bytes now, %v", len(b), err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("the folder has %v, %v", list, err)
	}
}

// TestCreateByLink follows this user's own links, also one that leads nowhere yet.
func TestCreateByLink(t *testing.T) {
	dir := shared(t)
	for _, link := range []struct{ name, to string }{{"absolute", filepath.Join(dir, "one.tar")}, {"relative", "two.tar"}, {"twice", "relative"}} {
		path := filepath.Join(dir, link.name)
		if err := os.Symlink(link.to, path); err != nil {
			t.Fatal(err)
		}
		if err := writeTo(t.Context(), t, path); err != nil {
			t.Fatal(err)
		}
		if in, err := os.Lstat(path); err != nil || in.Mode().Type() != fs.ModeSymlink {
			t.Errorf("the link is %v now, %v", in, err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		checkImages(t, describe(t, b), testImage(2, "webapp:1.0"))
	}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	if err := writeTo(t.Context(), t, filepath.Join(dir, "loop")); transfer.KindOf(err) != transfer.KindUsage {
		t.Errorf("a loop: %v", err)
	}
}

// TestCreateKeepsMode replaces a file, which keeps its mode.
func TestCreateKeepsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "images.tar")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeTo(t.Context(), t, path); err != nil {
		t.Fatal(err)
	}
	if in, err := os.Stat(path); err != nil || in.Mode().Perm() != 0o600 || in.Size() < 1000 {
		t.Errorf("%v, %v", in, err)
	}
}

// TestCreatePipe writes into named pipes: one that is read, one that nobody reads,
// and one whose reader stops.
func TestCreatePipe(t *testing.T) {
	dir := shared(t)
	path := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("read", func(t *testing.T) {
		var b bytes.Buffer
		read := make(chan error, 1)
		go func() {
			f, err := os.Open(path)
			if err == nil {
				_, err = io.Copy(&b, f)
				_ = f.Close()
			}
			read <- err
		}()
		if err := errors.Join(writeTo(t.Context(), t, path), <-read); err != nil {
			t.Fatal(err)
		}
		checkImages(t, describe(t, b.Bytes()), testImage(2, "webapp:1.0"))
	})
	t.Run("no reader", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := archive.Create(ctx, path, archive.FileOptions{})
			ended <- err
		}()
		select {
		case err := <-ended:
			t.Fatalf("it has not waited: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		cancel()
		checkInterrupted(t, ended)
	})
	t.Run("reader stops", func(t *testing.T) {
		f, err := os.OpenFile(path, os.O_RDWR, 0) // opened at once, read by nobody
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ctx, cancel := context.WithCancel(t.Context())
		dst, err := archive.Create(ctx, path, archive.FileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		m := testImage(2, "webapp:1.0")
		m.Layers[0].Size = 1 << 20 // more than a pipe holds
		src, err := open(t, dockerArchive(t, m), true)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := transfer.Copy(ctx, src, dst, transfer.Options{})
			ended <- err
		}()
		if _, err := f.Read(make([]byte, 1)); err != nil { // from here on it waits
			t.Fatal(err)
		}
		cancel()
		checkInterrupted(t, ended)
	})
}

// checkInterrupted waits for the end of what was interrupted.
func checkInterrupted(t *testing.T, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if transfer.KindOf(err) != transfer.KindInterrupted {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}
