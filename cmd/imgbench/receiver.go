package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// settle is how long a new engine is left alone before it is measured.
const settle = time.Second

// loader is how images get into an engine before anything is measured.
type loader func(ctx context.Context, e *throwaway.Engine, images ...throwaway.Image) error

// A receiver is the receiving engine, brought to a scenario's state before
// each run.
type receiver struct {
	spec       throwaway.Spec
	base, next throwaway.Image
	load       loader

	engine *throwaway.Engine
	loaded bool // the engine was given base before anything was measured on it
}

// prepare brings the engine to the state in which a scenario begins.
func (r *receiver) prepare(ctx context.Context, s scenario) error {
	switch {
	case s == cold:
		return r.fresh(ctx)
	case !r.loaded:
		if err := r.fresh(ctx); err != nil {
			return err
		}
		if err := r.load(ctx, r.engine, r.base); err != nil {
			return err
		}
		r.loaded = true
	}
	if s == oneLayer {
		if err := remove(ctx, r.engine, r.next.Ref); err != nil {
			return err
		}
	}
	return verify(ctx, r.engine, r.base)
}

// fresh replaces the engine by a new one without images.
func (r *receiver) fresh(ctx context.Context) error {
	if err := r.stop(); err != nil {
		return err
	}
	e, err := throwaway.Start(ctx, r.spec)
	if err != nil {
		return err
	}
	r.engine = e
	select {
	case <-time.After(settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *receiver) stop() error {
	if r.engine == nil {
		return nil
	}
	err := r.engine.Stop()
	if err == nil {
		r.engine, r.loaded = nil, false
	}
	return err
}

// remove removes an image that may not be there, and the layers that no other
// image has.
func remove(ctx context.Context, e *throwaway.Engine, ref string) error {
	if e.Spec().Kind == throwaway.Native {
		return removeNative(ctx, e, ref)
	}
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.ImageRemove(ctx, ref, image.RemoveOptions{Force: true, PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove %s: %w", ref, err)
	}
	return nil
}

// manifestsAPI is the first API version that tells which parts of an image a
// containerd store really has.
const manifestsAPI = "1.48"

// verify fails unless the engine has the image under its name and complete.
func verify(ctx context.Context, e *throwaway.Engine, want throwaway.Image) error {
	if e.Spec().Kind == throwaway.Native {
		return verifyNative(ctx, e, want)
	}
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	c.NegotiateAPIVersion(ctx)
	var opts []client.ImageInspectOption
	if versions.GreaterThanOrEqualTo(c.ClientVersion(), manifestsAPI) {
		opts = append(opts, client.ImageInspectWithManifests(true))
	}
	got, err := c.ImageInspect(ctx, want.Ref, opts...)
	if err != nil {
		return fmt.Errorf("the image is not at the receiver under its name: %w", err)
	}
	if ids := want.DiffIDs(); !slices.Equal(got.RootFS.Layers, ids) {
		return fmt.Errorf("%s at the receiver has layers %v instead of %v", want.Ref, got.RootFS.Layers, ids)
	}
	// A containerd store's ID is the digest of a manifest, of which there may be
	// several for one image.
	if !e.Spec().Containerd && got.ID != want.ID() {
		return fmt.Errorf("%s at the receiver is %s instead of %s", want.Ref, got.ID, want.ID())
	}
	for _, m := range got.Manifests {
		switch {
		case m.Kind != image.ManifestKindImage:
		case !m.Available:
			return fmt.Errorf("%s at the receiver lacks content", want.Ref)
		case m.ImageData == nil || m.ImageData.Size.Unpacked == 0:
			return fmt.Errorf("%s at the receiver is not unpacked", want.Ref)
		}
	}
	return nil
}
