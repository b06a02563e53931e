package conformance_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

// An end is a place for images.
type end interface {
	// source gives images of these names.
	source(t *testing.T, refs ...string) transfer.Source
	sink(t *testing.T) transfer.Sink
	// files returns the file system of an image.
	files(t *testing.T, ref string) tree
	// clear removes all images.
	clear(t *testing.T)
}

// A namedEnd is an end with its name for people.
type namedEnd struct {
	name string
	end
}

// ends returns a new one of every end: a file, a compressed one, a folder, and the engines of the
// matrix, started for this test.
func ends(t *testing.T) []namedEnd {
	t.Helper()
	all := []namedEnd{{"file", newFile(t)}, {"compressed file", fileEnd(filepath.Join(t.TempDir(), "images.tar.zst"))}, {"folder", folderEnd(filepath.Join(t.TempDir(), "store"))}}
	for _, spec := range throwawaytest.Specs(t) {
		all = append(all, namedEnd{spec.Name, startEngine(t, spec)})
	}
	natives, _ := throwaway.AvailableNative(os.Getenv(throwawaytest.EnginesVar))
	for _, spec := range natives {
		all = append(all, namedEnd{spec.Name, startNative(t, spec)})
	}
	return all
}

// A fileEnd is the path of an archive, which is there once it was a sink.
type fileEnd string

func newFile(t *testing.T) fileEnd { return fileEnd(filepath.Join(t.TempDir(), "images.tar")) }

func (e fileEnd) source(t *testing.T, refs ...string) transfer.Source {
	t.Helper()
	f, err := os.Open(string(e))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	src, err := archive.Open(t.Context(), f, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	src.Select(slices.DeleteFunc(src.Images(), func(m transfer.Image) bool { return !slices.Contains(refs, m.Name()) }))
	return src
}

func (e fileEnd) sink(t *testing.T) transfer.Sink {
	t.Helper()
	into := &archive.Target{Path: string(e), Compress: filepath.Ext(string(e)) == ".zst"}
	dst, err := into.Sink(t.Context(), store.SinkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return dst
}

func (e fileEnd) files(t *testing.T, ref string) tree { return unpack(t, e.source(t, ref)) }

func (e fileEnd) clear(t *testing.T) {
	if err := os.RemoveAll(string(e)); err != nil {
		t.Error(err)
	}
}

// A folderEnd is the path of an OCI image layout.
type folderEnd string

func (e folderEnd) source(t *testing.T, refs ...string) transfer.Source {
	t.Helper()
	src, err := folder.NewSource(t.Context(), string(e), requests(refs), nil)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (e folderEnd) sink(t *testing.T) transfer.Sink {
	t.Helper()
	dst, err := folder.NewSink(string(e))
	if err != nil {
		t.Fatal(err)
	}
	return dst
}

func (e folderEnd) files(t *testing.T, ref string) tree { return unpack(t, e.source(t, ref)) }

func (e folderEnd) clear(t *testing.T) {
	if err := os.RemoveAll(string(e)); err != nil {
		t.Error(err)
	}
}

// An engineEnd is an engine with nothing but the images of the suite.
type engineEnd struct {
	*docker.Engine
	api *client.Client
}

func startEngine(t *testing.T, spec throwaway.Spec) *engineEnd {
	t.Helper()
	running := throwawaytest.Start(t, spec)
	e := &engineEnd{}
	var err error
	if e.api, err = running.Client(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.api.Close() })
	if e.Engine, err = docker.Find(t.Context(), running.Host()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func requests(refs []string) []store.Request {
	var reqs []store.Request
	for _, r := range refs {
		reqs = append(reqs, store.Request{Image: r})
	}
	return reqs
}

func (e *engineEnd) source(t *testing.T, refs ...string) transfer.Source {
	t.Helper()
	src, err := docker.NewSource(t.Context(), e.Engine, requests(refs), store.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (e *engineEnd) sink(_ *testing.T) transfer.Sink { return docker.NewSink(e.Engine) }

// files exports a container of the image, which is never started.
func (e *engineEnd) files(t *testing.T, ref string) tree {
	t.Helper()
	c, err := e.api.ContainerCreate(t.Context(), &container.Config{Image: ref, Cmd: []string{"/none"}}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.api.ContainerRemove(t.Context(), c.ID, container.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	}()
	body, err := e.api.ContainerExport(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	all := tree{}
	all.apply(t, body)
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Error(err)
	}
	return all
}

func (e *engineEnd) clear(t *testing.T) {
	t.Helper()
	for _, m := range e.list(t, image.ListOptions{}) {
		if _, err := e.api.ImageRemove(t.Context(), m.ID, image.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func (e *engineEnd) list(t *testing.T, o image.ListOptions) []image.Summary {
	t.Helper()
	list, err := e.api.ImageList(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
