package lab

import (
	"context"
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// Remove removes an image that may not be there, and the layers that no other
// image has.
func Remove(ctx context.Context, e *throwaway.Engine, ref string) error {
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

// manifestsAPI is the first API version that reports which parts of an image a
// containerd store has.
const manifestsAPI = "1.48"

// Verify fails unless the engine has the image under its name and complete.
func Verify(ctx context.Context, e *throwaway.Engine, want throwaway.Image) error {
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
