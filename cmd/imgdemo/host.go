package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// A side is one of the two: what is sent from, or into.
type side interface {
	flags() []string // that name it to the programs
	load(ctx context.Context, m throwaway.Image) error
	remove(ref string) error // also after an interrupt
	list(ctx context.Context) error
}

// A host is a side with an engine, by its address.
type host struct{ addr string }

func (h *host) flags() []string { return []string{"-H", h.addr} }

func (h *host) client() (*client.Client, error) {
	return client.NewClientWithOpts(client.WithHost(h.addr), client.WithAPIVersionNegotiation())
}

// load puts an image in, as a build would.
func (h *host) load(ctx context.Context, m throwaway.Image) error {
	c, err := h.client()
	if err != nil {
		return err
	}
	defer c.Close()
	pr, pw := io.Pipe()
	go func() { _ = pw.CloseWithError(throwaway.WriteDockerArchive(pw, m)) }()
	resp, err := c.ImageLoad(ctx, pr, client.ImageLoadWithQuiet(true))
	_ = pr.Close()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	_, err = c.ImageInspect(ctx, m.Ref)
	return err
}

// remove takes an image away again, also after an interrupt.
func (h *host) remove(ref string) error {
	c, err := h.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err = c.ImageRemove(ctx, ref, image.RemoveOptions{})
	return err
}

// list prints the images.
func (h *host) list(ctx context.Context) error {
	c, err := h.client()
	if err != nil {
		return err
	}
	defer c.Close()
	list, err := c.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return err
	}
	var lines []string
	for _, m := range list {
		for _, tag := range m.RepoTags {
			lines = append(lines, fmt.Sprintf("%-40s %.19s %4d MB", tag, m.ID, m.Size/1e6))
		}
	}
	sort.Strings(lines)
	for _, l := range lines {
		fmt.Println(l)
	}
	return nil
}
