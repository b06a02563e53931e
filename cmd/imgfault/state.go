package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/opencontainers/go-digest"
)

// A state is what an engine has.
type state struct {
	names   []string   // sorted
	unnamed []string   // images without a name
	layers  [][]string // DiffIDs of each image
	paused  []string   // containers
}

// examine returns what an engine has.
func examine(ctx context.Context, e *throwaway.Engine) (*state, error) {
	c, err := e.Client()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	list, err := c.ImageList(ctx, image.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("list the images of %s: %w", e.Spec().Name, err)
	}
	s := &state{}
	for _, m := range list {
		named := false
		for _, tag := range m.RepoTags {
			if tag != "<none>:<none>" { // Docker before 25 says so of an image without a name
				s.names, named = append(s.names, shortName(tag)), true
			}
		}
		if !named {
			s.unnamed = append(s.unnamed, m.ID)
		}
		whole, err := c.ImageInspect(ctx, m.ID)
		if err != nil {
			return nil, fmt.Errorf("inspect %s in %s: %w", m.ID, e.Spec().Name, err)
		}
		s.layers = append(s.layers, whole.RootFS.Layers)
	}
	slices.Sort(s.names)
	containers, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("status", "paused"))})
	if err != nil {
		return nil, fmt.Errorf("list the containers of %s: %w", e.Spec().Name, err)
	}
	for _, c := range containers {
		s.paused = append(s.paused, c.ID)
	}
	return s, nil
}

// shortName returns a name without the registry that Podman adds to it.
func shortName(tag string) string {
	return strings.TrimPrefix(strings.TrimPrefix(tag, "docker.io/library/"), "localhost/")
}

// present returns how many of the lowest layers of an image an engine has.
func (s *state) present(diffIDs []string) int {
	n := 0
	for _, layers := range s.layers {
		same := 0
		for same < min(len(layers), len(diffIDs)) && layers[same] == diffIDs[same] {
			same++
		}
		n = max(n, same)
	}
	return n
}

// checkExport fails unless an engine exports an image with all these layers, each with
// the right digest.
func checkExport(ctx context.Context, e *throwaway.Engine, ref string, diffIDs []string) error {
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	archive, err := c.ImageSave(ctx, []string{ref})
	if err != nil {
		return fmt.Errorf("export %s: %w", ref, err)
	}
	defer archive.Close()
	return checkArchive(archive, diffIDs)
}

// checkArchive fails unless the members of an archive include all these layers,
// compressed or not.
func checkArchive(r io.Reader, diffIDs []string) error {
	missing := slices.Clone(diffIDs)
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read the exported archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		sum, err := contentDigest(t)
		if err != nil {
			return fmt.Errorf("read %s of the exported archive: %w", h.Name, err)
		}
		missing = slices.DeleteFunc(missing, func(id string) bool { return id == sum })
	}
	if len(missing) > 0 {
		return fmt.Errorf("the exported archive lacks the layers %v", missing)
	}
	return nil
}

// contentDigest returns the digest of what r has, decompressed.
func contentDigest(r io.Reader) (string, error) {
	b := bufio.NewReader(r)
	content := io.Reader(b)
	if magic, err := b.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return "", err
		}
		content = z
	} else if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	sum, err := digest.Canonical.FromReader(content)
	return sum.String(), err
}
