package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// In some rounds imgsend commits a container of the image and sends that. The engine
// pauses the container meanwhile, and imgsend removes the committed image again.

// ownSize is how many bytes a container has in a layer of its own.
const ownSize = 2_000_000

// containerName is the name of a round's container.
func (p plan) containerName() string { return fmt.Sprintf("fault-%d", p.number) }

// source returns what imgsend is told to send.
func (p plan) source() []string {
	if p.container {
		return []string{"--container", p.containerName(), "--as", p.image.Ref}
	}
	return []string{p.image.Ref}
}

// startContainer starts the container of a round, which has a file of its own. The file
// is there before the start: Podman 5.8 does not commit one that is put in after it.
func startContainer(ctx context.Context, e *throwaway.Engine, p plan) error {
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	made, err := c.ContainerCreate(ctx, &container.Config{Image: p.image.Ref}, &container.HostConfig{NetworkMode: "none"}, nil, nil, p.containerName())
	if err != nil {
		return fmt.Errorf("make a container: %w", err)
	}
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	own := make([]byte, ownSize)
	_, _ = rand.NewChaCha8([32]byte{byte(p.number)}).Read(own) // never fails
	err = w.WriteHeader(&tar.Header{Name: "own", Mode: 0o644, Size: ownSize})
	if err == nil {
		_, err = w.Write(own)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	if err := c.CopyToContainer(ctx, made.ID, "/", &file, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("put a file into a container: %w", err)
	}
	if err := c.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return fmt.Errorf("start a container: %w", err)
	}
	return nil
}

func removeContainer(ctx context.Context, e *throwaway.Engine, p plan) error {
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.ContainerRemove(ctx, p.containerName(), container.RemoveOptions{Force: true}); err != nil {
		return fmt.Errorf("remove a container: %w", err)
	}
	return nil
}

// unpause lets paused containers run on.
func unpause(ctx context.Context, e *throwaway.Engine, ids []string) error {
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	for _, id := range ids {
		if err := c.ContainerUnpause(ctx, id); err != nil {
			return fmt.Errorf("unpause a container: %w", err)
		}
	}
	return nil
}

// checkCommitted fails unless an engine has, under the name of a round's image, the
// layers of that image and the container's own above them, and exports all of them.
func checkCommitted(ctx context.Context, e *throwaway.Engine, p plan) error {
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	got, err := c.ImageInspect(ctx, p.image.Ref)
	if err != nil {
		return fmt.Errorf("the image is not at the receiver under its name: %w", err)
	}
	ids, layers := p.image.DiffIDs(), got.RootFS.Layers
	if len(layers) != len(ids)+1 || !slices.Equal(layers[:len(ids)], ids) {
		return fmt.Errorf("%s at the receiver has the layers %v, not %v and one more", p.image.Ref, layers, ids)
	}
	return checkExport(ctx, e, p.image.Ref, layers)
}
