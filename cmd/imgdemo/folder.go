package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A store is a side without an engine: an OCI layout folder.
type store struct{ dir string }

func newStore(role string) (*store, func() error, error) {
	dir, err := os.MkdirTemp("", "imgdemo-")
	if err != nil {
		return nil, nil, err
	}
	say("%s: an OCI layout folder, as no engine can be used here; with Docker or Podman it is one", role)
	return &store{dir: filepath.Join(dir, role)}, func() error { return os.RemoveAll(dir) }, nil
}

func (s *store) flags() []string { return []string{"--store", s.dir} }

func (s *store) load(ctx context.Context, m throwaway.Image) error {
	pr, pw := io.Pipe()
	go func() { _ = pw.CloseWithError(throwaway.WriteDockerArchive(pw, m)) }()
	defer pr.Close()
	src, err := archive.Open(ctx, pr, archive.Options{})
	if err != nil {
		return err
	}
	dst, err := folder.NewSink(s.dir)
	if err != nil {
		return errors.Join(err, src.Close(err))
	}
	_, err = transfer.Copy(ctx, src, dst, transfer.Options{})
	return err
}

// remove has nothing to do: the folder goes as a whole.
func (s *store) remove(string) error { return nil }

func (s *store) list(context.Context) error {
	b, err := os.ReadFile(filepath.Join(s.dir, ocispec.ImageIndexFile))
	if err != nil {
		return err
	}
	var index ocispec.Index
	if err := json.Unmarshal(b, &index); err != nil {
		return err
	}
	for _, m := range index.Manifests {
		name, err := layout.NameOf(m)
		if err != nil {
			return err
		}
		fmt.Printf("%-40s %.19s\n", name, m.Digest)
	}
	return nil
}
