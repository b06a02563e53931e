package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
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
	archive, manifestOf, err := probeArchive(blobs, p.ref)
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

// probeArchive returns the archive of a probe image, and the blob that each of
// its manifests asks for. The platform unknown/unknown keeps the engine from
// unpacking it.
func probeArchive(blobs []digest.Digest, ref string) ([]byte, map[digest.Digest]digest.Digest, error) {
	var out bytes.Buffer
	l := layout.NewWriter(&out)
	put := func(media string, v any) (ocispec.Descriptor, error) {
		b, err := json.Marshal(v)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		d := ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(b), Size: int64(len(b))}
		return d, l.Blob(d.Digest, d.Size, bytes.NewReader(b))
	}
	unknown := ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	config, err := put(ocispec.MediaTypeImageConfig, ocispec.Image{Platform: unknown})
	if err != nil {
		return nil, nil, err
	}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	manifestOf := map[digest.Digest]digest.Digest{}
	for _, blob := range blobs {
		m, err := put(ocispec.MediaTypeImageManifest, ocispec.Manifest{
			Versioned: index.Versioned, MediaType: ocispec.MediaTypeImageManifest, Config: config,
			// The size is not looked at.
			Layers: []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageLayer, Digest: blob, Size: 1}},
		})
		if err != nil {
			return nil, nil, err
		}
		manifestOf[m.Digest] = blob
		m.Platform = &unknown
		index.Manifests = append(index.Manifests, m)
	}
	root, err := put(ocispec.MediaTypeImageIndex, index)
	if err != nil {
		return nil, nil, err
	}
	root.Annotations = map[string]string{layout.NameAnnotation: "docker.io/library/" + ref}
	top := layout.NewIndex()
	top.Manifests = []ocispec.Descriptor{root}
	if err := l.End(top, []layout.DockerImage{}); err != nil {
		return nil, nil, err
	}
	return out.Bytes(), manifestOf, nil
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
