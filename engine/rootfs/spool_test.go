package rootfs_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// rootTar is a small file system: folders, files whose sizes lie about a block,
// links and a long name.
func rootTar(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	add := func(h tar.Header, body string) {
		h.Size = int64(len(body))
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, body); err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, "")
	for _, n := range []int{0, 1, 511, 512, 513, 9000} {
		add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/" + strings.Repeat("n", n%200+1), Mode: 0o644}, strings.Repeat("x", n))
	}
	add(tar.Header{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "etc"}, "")
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// spool spools into a folder of the test's, which must be empty afterwards.
func spool(t *testing.T, r io.Reader) (*rootfs.Layer, error) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	l, err := rootfs.Spool(t.Context(), r)
	if left, derr := os.ReadDir(dir); derr != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, derr)
	}
	if err == nil {
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return l, err
}

func TestSpool(t *testing.T) {
	whole := rootTar(t)
	for name, b := range map[string][]byte{
		"as written":  whole,
		"padded":      append(bytes.Clone(whole), make([]byte, 10240-len(whole)%10240)...),
		"no member":   make([]byte, 1024),
		"odd padding": append(bytes.Clone(whole), 0, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{bytes.NewReader(b), iotest.OneByteReader(bytes.NewReader(b)), iotest.DataErrReader(bytes.NewReader(b))} {
				l, err := spool(t, r)
				if err != nil {
					t.Fatal(err)
				}
				if l.Size != int64(len(b)) || l.DiffID != digest.FromBytes(b) {
					t.Errorf("%d bytes, %s", l.Size, l.DiffID)
				}
				got, err := io.ReadAll(io.NewSectionReader(l, 0, l.Size))
				if err != nil || !bytes.Equal(got, b) {
					t.Errorf("kept %d bytes that differ, %v", len(got), err)
				}
			}
		})
	}
}

// TestSpoolCut cuts a tar at every byte: no piece passes for a whole one.
func TestSpoolCut(t *testing.T) {
	whole := rootTar(t)
	t.Setenv("TMPDIR", t.TempDir())
	for n := range whole {
		l, err := rootfs.Spool(t.Context(), bytes.NewReader(whole[:n]))
		if err == nil {
			_ = l.Close()
			t.Fatalf("%d of %d bytes are taken for a whole tar", n, len(whole))
		}
		want := rootfs.ErrTruncated
		if n < 512 {
			want = rootfs.ErrNotTar
		}
		if !errors.Is(err, want) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestSpoolBad(t *testing.T) {
	whole := rootTar(t)
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	_, _ = zw.Write(whole)
	_ = zw.Close()
	damaged := bytes.Clone(whole)
	damaged[512] ^= 0xff // the second header
	for name, c := range map[string]struct {
		body  []byte
		words string
	}{
		"gzip":    {zipped.Bytes(), "not a tar archive"},
		"text":    {bytes.Repeat([]byte("hello, world\n"), 200), "not a tar archive"},
		"empty":   {nil, "it is empty"},
		"damaged": {damaged, "damaged before byte 1024"},
		"tail":    {append(bytes.Clone(whole), `{"error":"late"}`...), "followed by something else"},
		"two":     {append(bytes.Clone(whole), whole...), "followed by something else"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := spool(t, bytes.NewReader(c.body)); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestSpoolFails has the stream, the disk and the caller end it.
func TestSpoolFails(t *testing.T) {
	whole := rootTar(t)
	broken := errors.New("broken pipe")
	for _, n := range []int64{0, 300, 1024, int64(len(whole)) - 512} {
		r := io.MultiReader(io.LimitReader(bytes.NewReader(whole), n), iotest.ErrReader(broken))
		if _, err := spool(t, r); err != broken { // as it is
			t.Errorf("broken after %d bytes: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rootfs.Spool(ctx, bytes.NewReader(whole)); transfer.KindOf(err) != transfer.KindInterrupted {
		t.Errorf("interrupted: %v", err)
	}
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	_, err := rootfs.Spool(t.Context(), bytes.NewReader(whole))
	var known *transfer.Error
	if !errors.As(err, &known) || !strings.Contains(known.Hint, "TMPDIR") {
		t.Errorf("no folder for it: %v", err)
	}
}

// FuzzSpool checks that what is taken is kept as it came, and no more.
func FuzzSpool(f *testing.F) {
	whole := rootTar(f)
	f.Add(append(whole[:2*512:2*512], make([]byte, 1024)...)) // a folder and an empty file
	f.Add(whole[:2*512])
	f.Add(make([]byte, 1024))
	f.Add([]byte("not a tar"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := rootfs.Spool(t.Context(), bytes.NewReader(b))
		if err != nil {
			return
		}
		defer l.Close()
		if l.Size != int64(len(b)) || l.DiffID != digest.FromBytes(b) {
			t.Errorf("%d bytes became %d, %s", len(b), l.Size, l.DiffID)
		}
		tr := tar.NewReader(io.NewSectionReader(l, 0, l.Size))
		for {
			_, err := tr.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatalf("taken, but no tar: %v", err)
			}
		}
	})
}
