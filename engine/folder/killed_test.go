package folder_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestKilled kills a process that writes into a folder, inside a blob and when
// all blobs are written: the folder keeps what it had, the next writer completes
// it, and nothing is left of the killed one.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("IMGSEND_TEST_FOLDER"); dir != "" {
		writeUntilKilled(t, dir, os.Getenv("IMGSEND_TEST_STOP"))
		return
	}
	for _, stop := range []string{"blob", "commit"} {
		t.Run(stop, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			before := image("before:1", 1)
			if _, err := transfer.Copy(t.Context(), source(t, classic, before), sink(t, dir), transfer.Options{}); err != nil {
				t.Fatal(err)
			}
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestKilled$", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), "IMGSEND_TEST_FOLDER="+dir, "IMGSEND_TEST_STOP="+stop)
			throwawaytest.KillAt(t, cmd, "there")
			// As if it had been killed inside the change of the index, too.
			if err := os.WriteFile(filepath.Join(dir, ".imgsend.new-1"), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := folder.NewSource(t.Context(), dir, []store.Request{{Image: killed().Ref}}, nil); transfer.KindOf(err) != transfer.KindEngine {
				t.Errorf("what was not completed is there: %v", err)
			}
			for _, m := range []throwaway.Image{before, killed()} {
				if _, err := transfer.Copy(t.Context(), source(t, classic, m), sink(t, dir), transfer.Options{}); err != nil {
					t.Fatal(err)
				}
				src, err := folder.NewSource(t.Context(), dir, []store.Request{{Image: m.Ref}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := transfer.Copy(t.Context(), src, sink(t, filepath.Join(t.TempDir(), "copy")), transfer.Options{}); err != nil {
					t.Errorf("%s is not whole: %v", m.Ref, err)
				}
			}
			tidy(t, dir)
		})
	}
}

// TestKilledAtFirst begins a folder that was killed before it was a layout.
func TestKilledAtFirst(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".imgsend.new-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Copy(t.Context(), source(t, classic, killed()), sink(t, dir), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	tidy(t, dir)
}

// tidy fails the test if the folder has files of unfinished writers.
func tidy(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err == nil && !e.IsDir() && (strings.HasPrefix(name, ".imgsend.new-") || strings.HasPrefix(name, "ingest")) {
			t.Errorf("%s is left", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func killed() throwaway.Image { return image("killed:1", 7, 8) }

// A stopping sink stops for ever in one place, and says so.
type stopping struct {
	*folder.Sink
	at string
}

func (s stopping) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if s.at == "blob" {
		r = io.MultiReader(io.LimitReader(r, d.Size/2), stopReader{})
	}
	return s.Sink.Put(ctx, d, r)
}

func (s stopping) Commit(context.Context, *transfer.Index) (*transfer.Outcome, error) {
	_, err := stopReader{}.Read(nil)
	return nil, err
}

type stopReader struct{}

func (stopReader) Read([]byte) (int, error) {
	_, _ = os.Stdout.WriteString("there\n")
	select {}
}

func writeUntilKilled(t *testing.T, dir, at string) {
	to, err := folder.NewSink(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = transfer.Copy(t.Context(), source(t, classic, killed()), stopping{to, at}, transfer.Options{})
	t.Fatalf("it came to an end: %v", err)
}
