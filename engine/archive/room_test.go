package archive_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

// TestNoRoom spools archives to a disk of 8 MiB: what does not fit ends with
// words about the room, before the disk is full, and leaves nothing.
func TestNoRoom(t *testing.T) {
	archiveOf := func(size int64) []byte {
		return dockerArchive(t, throwaway.Image{Ref: "webapp:1.0", Layers: []throwaway.Layer{{Size: size, Seed: 1, Kind: throwaway.Text}}})
	}
	for name, test := range map[string]struct {
		size int64
		form string
		fits bool
	}{
		"fits":                    {7 << 20, "", true},
		"fits, compressed":        {7 << 20, "gzip", true},
		"too large":               {20 << 20, "", false},
		"too large, compressed":   {20 << 20, "gzip", false},
		"would leave hardly room": {8<<20 - 200<<10, "zstd", false},
	} {
		t.Run(name, func(t *testing.T) {
			disk := throwawaytest.Disk(t, 8<<20)
			t.Setenv("TMPDIR", disk)
			free := throwawaytest.Free(t, disk)
			b := archiveOf(test.size)
			if test.form != "" {
				b = compressed(t, test.form, b)
			}
			src, err := archive.Open(t.Context(), io.MultiReader(bytes.NewReader(b)), archive.Options{})
			if test.fits {
				if err != nil {
					t.Fatal(err)
				}
				if left := throwawaytest.Free(t, disk); left > free-test.size {
					t.Errorf("%d of %d bytes are free while it is spooled: nothing is tested", left, free)
				}
				if err := src.Close(nil); err != nil {
					t.Error(err)
				}
			} else {
				wantNoRoom(t, err, " bytes are free")
			}
			wantEmpty(t, disk, free)
		})
	}
}

// TestRoomTaken has somebody else fill the disk in the middle of a spool.
func TestRoomTaken(t *testing.T) {
	disk := throwawaytest.Disk(t, 8<<20)
	t.Setenv("TMPDIR", disk)
	free := throwawaytest.Free(t, disk)
	other := filepath.Join(disk, "other")
	b := dockerArchive(t, throwaway.Image{Ref: "webapp:1.0", Layers: []throwaway.Layer{{Size: 5 << 20, Seed: 1, Kind: throwaway.Text}}})
	fill := readerFunc(func([]byte) (int, error) {
		if err := os.WriteFile(other, make([]byte, 5<<20), 0o600); err != nil {
			t.Error(err)
		}
		return 0, io.EOF
	})
	_, err := archive.Open(t.Context(), io.MultiReader(bytes.NewReader(b[:1<<20]), fill, bytes.NewReader(b[1<<20:])), archive.Options{})
	wantNoRoom(t, err, "no space left on device")
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	wantEmpty(t, disk, free)
	t.Setenv("TMPDIR", other)
	_, err = archive.Open(t.Context(), io.MultiReader(bytes.NewReader(b)), archive.Options{})
	wantNoRoom(t, err, "no such file or directory")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func wantNoRoom(t *testing.T, err error, words string) {
	t.Helper()
	var known *transfer.Error
	if !errors.As(err, &known) || known.Kind != transfer.KindUsage || !strings.Contains(err.Error(), words) || !strings.Contains(known.Hint, "TMPDIR") {
		t.Errorf("%v", err)
	}
}

func wantEmpty(t *testing.T, disk string, free int64) {
	t.Helper()
	if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if now := throwawaytest.Free(t, disk); now != free {
		t.Errorf("%d bytes are free afterwards, %d were before", now, free)
	}
}
