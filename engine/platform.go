package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pick returns the image of the platform that a request wants, of all that img
// has. Only a containerd store has images of several, and those before API 1.49
// do not tell which.
func (e *Engine) pick(ctx context.Context, r Request, img *local) (*local, error) {
	if !e.picksPlatforms() {
		is := platformOf(img)
		if e.store != Containerd && matches(is, *r.Platform) {
			return img, nil
		}
		if e.store != Containerd {
			return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is for %s, not %s", r.Image, platformText(is), platformText(*r.Platform))}
		}
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s cannot pick a platform: its API has version %s, not %s", e, e.version, inspectPlatformAPI),
			Hint: "without --platform everything that is there is sent"}
	}
	one, err := e.inspect(ctx, img.target.String(), client.ImageInspectWithPlatform(r.Platform))
	if errdefs.IsNotFound(err) {
		return nil, e.otherPlatforms(ctx, r, img)
	}
	if err != nil {
		return nil, failed("inspect "+r.Image, err)
	}
	one.inspect.RepoTags, one.target, one.platform = img.inspect.RepoTags, img.target, r.Platform
	return one, nil
}

// otherPlatforms is the error for a platform that an image has not.
func (e *Engine) otherPlatforms(ctx context.Context, r Request, img *local) error {
	err := &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is not here for %s", r.Image, platformText(*r.Platform))}
	if c, cerr := e.contents(ctx, img); cerr == nil && len(c.platforms) > 0 {
		err.Hint = "it is here for " + strings.Join(c.platforms, ", ")
	}
	return err
}

// picked is the platform of which l is the only part of an image with several,
// or "".
func (l *local) picked() string {
	if l.platform == nil || l.id == l.target {
		return ""
	}
	return platformText(*l.platform)
}

func platformOf(l *local) ocispec.Platform {
	return ocispec.Platform{OS: l.inspect.Os, Architecture: l.inspect.Architecture, Variant: l.inspect.Variant}
}

// matches reports whether p is what was wanted, of any variant if none was.
func matches(p, want ocispec.Platform) bool {
	return p.OS == want.OS && p.Architecture == want.Architecture && (want.Variant == "" || p.Variant == want.Variant)
}

func platformText(p ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// contents are what an image in a containerd store has of the manifests that
// it lists.
type contents struct {
	root      ocispec.Descriptor
	here      []ocispec.Descriptor // complete manifests, attestations included
	platforms []string             // that are here
	absent    []string             // platforms that are only listed
}

// contents asks what an image has, once: it takes a tenth of a second.
func (e *Engine) contents(ctx context.Context, l *local) (*contents, error) {
	if l.contents != nil {
		return l.contents, nil
	}
	if !e.canProbe() {
		return nil, fmt.Errorf("%s does not tell what an image has", e)
	}
	in, err := e.api.ImageInspect(ctx, l.target.String(), client.ImageInspectWithManifests(true))
	if err != nil {
		return nil, err
	}
	c := &contents{}
	if in.Descriptor != nil {
		c.root = *in.Descriptor
	}
	for _, m := range in.Manifests {
		text := string(m.Kind)
		switch {
		case m.ImageData != nil && m.ImageData.Platform.OS != "":
			text = platformText(m.ImageData.Platform)
		case m.Descriptor.Platform != nil:
			text = platformText(*m.Descriptor.Platform)
		}
		if !m.Available {
			c.absent = append(c.absent, text)
			continue
		}
		c.here = append(c.here, m.Descriptor)
		if m.Kind == image.ManifestKindImage {
			c.platforms = append(c.platforms, text)
		}
	}
	l.contents = c
	return c, nil
}

// only returns what c has of one manifest.
func (c *contents) only(id digest.Digest) *contents {
	for _, d := range c.here {
		if d.Digest == id {
			return &contents{root: d, here: []ocispec.Descriptor{d}}
		}
	}
	return &contents{root: c.root}
}
