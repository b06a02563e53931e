package engine

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// probeRepo is the repository of probe images.
const probeRepo = "imgsend-probe"

// manifestsAPI is the first API version whose inspect tells which manifests of
// an image are complete.
const manifestsAPI = "1.48"

// A probe asks a containerd store which blobs it has. It is a tiny image: an
// index with one manifest for each blob in question, which has the blob as its
// only layer. Inspecting it says which manifests are complete (seen on 28.5.2).
// While it exists its blobs are not collected as garbage, so it is also what
// keeps them until the load is over.
type probe struct {
	e   *Engine
	ref string
}

func (e *Engine) canProbe() bool {
	return e.store == Containerd && versions.GreaterThanOrEqualTo(e.version, manifestsAPI)
}

// probe loads a probe image for the blobs and returns which of them are there.
// The caller removes the probe. If none of them is there it removes itself.
func (e *Engine) probe(ctx context.Context, blobs []digest.Digest) (*probe, map[digest.Digest]bool, error) {
	p := &probe{e: e, ref: probeRepo + ":" + ownerTag()}
	a, err := newProbeArchive("docker.io/library/" + p.ref)
	if err != nil {
		return nil, nil, err
	}
	manifestOf := map[digest.Digest]digest.Digest{}
	for _, blob := range blobs {
		m, err := a.blob(ocispec.Descriptor{Digest: blob, Size: 1}) // the size is not looked at
		if err != nil {
			return nil, nil, err
		}
		manifestOf[m] = blob
	}
	archive, err := a.end()
	if err != nil {
		return nil, nil, err
	}
	if err := e.loadArchive(ctx, bytes.NewReader(archive)); err != nil {
		p.remove(ctx)
		return nil, nil, err
	}
	in, err := e.api.ImageInspect(ctx, p.ref, client.ImageInspectWithManifests(true))
	if err != nil {
		p.remove(ctx)
		return nil, nil, err
	}
	have := map[digest.Digest]bool{}
	for _, m := range in.Manifests {
		if blob, ok := manifestOf[digest.Digest(m.ID)]; ok && m.Available {
			have[blob] = true
		}
	}
	if len(have) == 0 {
		p.remove(ctx)
	}
	return p, have, nil
}

// remove deletes the probe image, also when ctx is done.
func (p *probe) remove(ctx context.Context) {
	if p == nil || p.ref == "" {
		return
	}
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	_, _ = p.e.api.ImageRemove(ctx, p.ref, image.RemoveOptions{Force: true})
	p.ref = ""
}

// loadArchive loads a small archive.
func (e *Engine) loadArchive(ctx context.Context, r io.Reader) error {
	resp, err := e.api.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !resp.JSON {
		return errors.New("the engine's answer to a load is not JSON")
	}
	return readAnswer(resp.Body, nil)
}
