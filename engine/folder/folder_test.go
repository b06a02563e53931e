package folder_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
)

func image(ref string, seeds ...uint64) throwaway.Image {
	m := throwaway.Image{Ref: ref}
	for _, s := range seeds {
		m.Layers = append(m.Layers, throwaway.Layer{Size: 3000, Seed: s, Kind: throwaway.Text})
	}
	return m
}

func source(t testing.TB, write func(*bytes.Buffer, ...throwaway.Image) error, m ...throwaway.Image) *archive.Source {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, m...); err != nil {
		t.Fatal(err)
	}
	src, err := archive.Open(t.Context(), &b, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func classic(b *bytes.Buffer, m ...throwaway.Image) error {
	return throwaway.WriteDockerArchive(b, m...)
}
func pulled(b *bytes.Buffer, m ...throwaway.Image) error { return throwaway.WriteOCIArchive(b, m...) }

func sink(t testing.TB, dir string) *folder.Sink {
	t.Helper()
	s, err := folder.NewSink(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// send copies images out of a folder, into an archive.
func send(t testing.TB, dir string, names ...string) (*archive.Source, error) {
	t.Helper()
	var reqs []store.Request
	for _, n := range names {
		reqs = append(reqs, store.Request{Image: n})
	}
	src, err := folder.NewSource(t.Context(), dir, reqs, nil)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := transfer.Copy(t.Context(), src, archive.NewSink(&b, archive.SinkOptions{}), transfer.Options{}); err != nil {
		return nil, err
	}
	return archive.Open(t.Context(), &b, archive.Options{})
}

func TestRoundTrip(t *testing.T) {
	for name, write := range map[string]func(*bytes.Buffer, ...throwaway.Image) error{"classic": classic, "pulled": pulled} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			v1, v2 := image("webapp:1.0", 1, 2), image("webapp:2.0", 1, 2, 3)
			rep, err := transfer.Copy(t.Context(), source(t, write, v1), sink(t, dir), transfer.Options{})
			if err != nil || rep.Skipped != 0 {
				t.Fatal(rep, err)
			}
			rep, err = transfer.Copy(t.Context(), source(t, write, v1), sink(t, dir), transfer.Options{})
			if err != nil || rep.Bytes != 0 {
				t.Errorf("once more: %+v, %v", rep, err)
			}
			rep, err = transfer.Copy(t.Context(), source(t, write, v2), sink(t, dir), transfer.Options{})
			if err != nil || rep.Skipped == 0 {
				t.Errorf("one more layer: %+v, %v", rep, err)
			}
			src, err := send(t, dir, "webapp:1.0", "webapp:2.0", strings.TrimPrefix(v2.ID(), "sha256:")[:12])
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close(nil)
			got := src.Images()
			if len(got) != 2 || got[0].Config.String() != v1.ID() || got[1].Config.String() != v2.ID() || got[1].Refs[0] != "webapp:2.0" {
				t.Errorf("sent %v", got)
			}
		})
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	first, second := image("webapp:1.0", 1), image("webapp:1.0", 2)
	if _, err := transfer.Copy(t.Context(), source(t, classic, first), sink(t, dir), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	careful := sink(t, dir)
	careful.NoClobber = true
	if _, err := transfer.Copy(t.Context(), source(t, classic, second), careful, transfer.Options{}); transfer.KindOf(err) != transfer.KindRefused {
		t.Error(err)
	}
	var arrival transfer.Arrival
	if _, err := transfer.Copy(t.Context(), source(t, classic, second), sink(t, dir), transfer.Options{
		OnArrival: func(_ *transfer.Image, a transfer.Arrival, _ bool) { arrival = a }}); err != nil {
		t.Fatal(err)
	}
	if len(arrival.Names) != 1 || arrival.Names[0].Replaced == "" {
		t.Errorf("arrival %v", arrival)
	}
	src, err := send(t, dir, "webapp:1.0", strings.TrimPrefix(first.ID(), "sha256:"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close(nil)
	if got := src.Images(); len(got) != 2 || got[0].Config.String() != second.ID() || got[1].Config.String() != first.ID() || len(got[1].Refs) != 0 {
		t.Errorf("sent %v", got)
	}
	_, err = send(t, dir, "wepapp:1.0")
	var e *transfer.Error
	if !errors.As(err, &e) || e.Hint != "did you mean webapp:1.0?" {
		t.Errorf("a near miss: %v", err)
	}
}

// TestConcurrent has many writers share a folder that none of them has made.
func TestConcurrent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	var names []string
	var wg sync.WaitGroup
	for i := range 16 {
		m := image(fmt.Sprintf("app%d:1", i), 1, 2, uint64(i)+10)
		names = append(names, m.Ref)
		src := source(t, classic, m)
		wg.Go(func() {
			dst, err := folder.NewSink(dir)
			if err == nil {
				_, err = transfer.Copy(t.Context(), src, dst, transfer.Options{})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	src, err := send(t, dir, names...)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(src.Images()); n != len(names) {
		t.Errorf("%d of %d images", n, len(names))
	}
	src.Close(nil)
}

// TestInterrupted ends a copy in its middle: what was there stays a layout, and
// the copy can be made again.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	v1, v2 := image("webapp:1.0", 1), image("webapp:2.0", 1, 2, 3)
	if _, err := transfer.Copy(t.Context(), source(t, classic, v1), sink(t, dir), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := throwaway.WriteDockerArchive(&b, v2); err != nil {
		t.Fatal(err)
	}
	spoilt := b.Bytes()
	var top bytes.Buffer
	if err := v2.Layers[2].WriteTar(&top); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(spoilt, top.Bytes())
	if at < 0 {
		t.Fatal("the archive lacks the layer")
	}
	spoilt[at+top.Len()/2] ^= 1
	src, err := archive.Open(t.Context(), bytes.NewReader(spoilt), archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transfer.Copy(t.Context(), src, sink(t, dir), transfer.Options{}); transfer.KindOf(err) != transfer.KindBroken {
		t.Errorf("a spoilt layer: %v", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the index changed, %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "ingest")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if _, err := transfer.Copy(t.Context(), source(t, classic, v2), sink(t, dir), transfer.Options{}); err != nil {
		t.Error(err)
	}
}

func TestNotALayout(t *testing.T) {
	dir := t.TempDir()
	if _, err := folder.NewSource(t.Context(), dir, []store.Request{{Image: "a"}}, nil); transfer.KindOf(err) != transfer.KindUsage {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.NewSink(dir); transfer.KindOf(err) != transfer.KindUsage {
		t.Error(err)
	}
}
