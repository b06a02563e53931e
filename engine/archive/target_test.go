package archive_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// receive copies images that edit may change into a target.
func receive(t *testing.T, into *archive.Target, o store.SinkOptions, dry bool, b []byte, edit func([]transfer.Image)) error {
	t.Helper()
	src, err := open(t, b, true)
	if err != nil {
		t.Fatal(err)
	}
	images := src.Images()
	edit(images)
	src.Select(images)
	dst, err := into.Sink(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = transfer.Copy(t.Context(), src, dst, transfer.Options{DryRun: dry})
	return err
}

// wantNothing checks that a folder is empty.
func wantNothing(t *testing.T, dir string) {
	t.Helper()
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("the folder has %v, %v", list, err)
	}
}

// TestTargetRefuses sends what must not become an archive: nothing is left of it.
func TestTargetRefuses(t *testing.T) {
	dir := t.TempDir()
	into := &archive.Target{Path: filepath.Join(dir, "images.tar")}
	b := dockerArchive(t, testImage(1, "one:1"), testImage(2, "two:1"))
	for name, test := range map[string]struct {
		edit func([]transfer.Image)
		kind transfer.Kind
		want string
	}{
		"other layers":   {func(m []transfer.Image) { m[1].Layers[0].DiffID = digest.FromString("other") }, transfer.KindBroken, "two:1 arrived with other layers"},
		"one name twice": {func(m []transfer.Image) { m[1].Refs = []string{"docker.io/library/one:1"} }, transfer.KindRefused, "cannot both be called one:1"},
		"no name":        {func(m []transfer.Image) { m[1].Refs = []string{"Not A Name"} }, transfer.KindRefused, "is not an image name"},
	} {
		if err := receive(t, into, store.SinkOptions{}, false, b, test.edit); transfer.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		wantNothing(t, dir)
	}
}

// TestTarget receives into an archive: a dry run makes none, and another transfer
// replaces it, unless that is not wanted.
func TestTarget(t *testing.T) {
	dir := t.TempDir()
	into := &archive.Target{Path: filepath.Join(dir, "images.tar")}
	one, two := testImage(1, "one:1"), testImage(2, "two:1")
	same := func([]transfer.Image) {}
	if err := receive(t, into, store.SinkOptions{}, true, dockerArchive(t, one), same); err != nil {
		t.Error(err)
	}
	wantNothing(t, dir)
	if err := into.Check(t.Context(), store.SinkOptions{NoClobber: true}); err != nil {
		t.Error(err)
	}
	wantNothing(t, dir)
	// The names are in their short form, whatever the sender writes.
	long := func(m []transfer.Image) { m[0].Refs = []string{"docker.io/library/one:1"} }
	if err := receive(t, into, store.SinkOptions{NoClobber: true}, false, dockerArchive(t, one), long); err != nil {
		t.Fatal(err)
	}
	read := func() []byte {
		b, err := os.ReadFile(into.Path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	checkImages(t, describe(t, read()), one)
	for _, err := range []error{into.Check(t.Context(), store.SinkOptions{NoClobber: true}),
		receive(t, into, store.SinkOptions{NoClobber: true}, false, dockerArchive(t, two), same)} {
		if transfer.KindOf(err) != transfer.KindRefused || !strings.Contains(err.Error(), "is not to be replaced") {
			t.Error(err)
		}
	}
	checkImages(t, describe(t, read()), one)
	if err := receive(t, into, store.SinkOptions{}, false, dockerArchive(t, two), same); err != nil {
		t.Fatal(err)
	}
	checkImages(t, describe(t, read()), two)
	if _, known := into.Free(t.Context()); !known {
		t.Error("the room for the archive is not known")
	}
}

// TestTargetMeanwhile has a file take the name of the archive before that is complete.
func TestTargetMeanwhile(t *testing.T) {
	into := &archive.Target{Path: filepath.Join(t.TempDir(), "images.tar")}
	src, err := open(t, dockerArchive(t, testImage(1, "one:1")), true)
	if err != nil {
		t.Fatal(err)
	}
	dst, err := into.Sink(t.Context(), store.SinkOptions{NoClobber: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = transfer.Copy(t.Context(), src, &meanwhile{dst, func() error { return os.WriteFile(into.Path, []byte("theirs"), 0o600) }}, transfer.Options{})
	if transfer.KindOf(err) != transfer.KindRefused || !strings.Contains(err.Error(), "is not to be replaced") {
		t.Error(err)
	}
	if b, err := os.ReadFile(into.Path); err != nil || string(b) != "theirs" {
		t.Errorf("the file has %d bytes now, %v", len(b), err)
	}
}

// A meanwhile is a sink with something that happens just before its commit.
type meanwhile struct {
	transfer.Sink
	happen func() error
}

func (m *meanwhile) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	if err := m.happen(); err != nil {
		return nil, err
	}
	return m.Sink.Commit(ctx, x)
}

// TestTargetPlace says where an archive appears whole, and where its reader sees every
// byte.
func TestTargetPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "images.tar")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{file: false, file + ".new": false, os.DevNull: true} {
		if got := (&archive.Target{Path: path}).InPlace(); got != want {
			t.Errorf("%s: in place: %v", path, got)
		}
	}
	if !(&archive.Target{Path: "stdout", File: os.Stdout}).InPlace() {
		t.Error("stdout is not written in place")
	}
}

// TestTargetNoRoom receives into a disk that is too small: that is an error of this host,
// and nothing is left.
func TestTargetNoRoom(t *testing.T) {
	disk := throwawaytest.Disk(t, 1<<20)
	free := throwawaytest.Free(t, disk)
	into := &archive.Target{Path: filepath.Join(disk, "images.tar")}
	big := throwaway.Image{Ref: "big:1", Layers: []throwaway.Layer{{Size: 3 << 20, Seed: 1, Kind: throwaway.Random}}}
	err := receive(t, into, store.SinkOptions{}, false, dockerArchive(t, big), func([]transfer.Image) {})
	if transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), "write "+into.Path) {
		t.Error(err)
	}
	wantEmpty(t, disk, free)
}
