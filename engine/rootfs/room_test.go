package rootfs_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

// TestSpoolNoRoom spools a file system to a disk that it does not fit on.
func TestSpoolNoRoom(t *testing.T) {
	disk := throwawaytest.Disk(t, 8<<20)
	t.Setenv("TMPDIR", disk)
	free := throwawaytest.Free(t, disk)
	for _, size := range []int64{4 << 20, 8 << 20, 20 << 20} {
		l, err := rootfs.Spool(t.Context(), bytes.NewReader(tarOf(t, size)))
		if size <= free/2 {
			if err != nil {
				t.Fatal(err)
			}
			if left := throwawaytest.Free(t, disk); left > free-size {
				t.Errorf("%d of %d bytes are free while it is spooled: nothing is tested", left, free)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		} else {
			var known *transfer.Error
			if !errors.As(err, &known) || !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(known.Hint, "TMPDIR") {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
		if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
		if now := throwawaytest.Free(t, disk); now != free {
			t.Errorf("%d bytes are free afterwards, %d were before", now, free)
		}
	}
}

// tarOf is a tar of one file of so many bytes.
func tarOf(t *testing.T, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "file", Mode: 0o644, Size: size}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
