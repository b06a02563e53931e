package engine

import (
	"bytes"
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A standIn is a small image that is pushed instead of another one, of which it
// brings everything that is there. It is an index of that image's manifests and,
// where the image is an index itself, of one more manifest that has this index
// as its layer.
//
// Docker 28.5.2 does not push an index of which a platform is missing, as after
// a pull of one platform: it pushes that one's manifest instead, which is another
// image. And an image without a name would need one for the push, and goes with it.
type standIn struct{ *contents }

// standIn returns what stands in for an image in a push, or nil if it can be
// pushed itself.
func (e *Engine) standIn(ctx context.Context, l *local) (*standIn, error) {
	named := len(l.inspect.RepoTags) > 0
	if !e.canProbe() {
		if !named {
			return nil, errors.New("the image has no name")
		}
		return nil, nil
	}
	c, err := e.contents(ctx, l)
	if err != nil {
		return nil, err
	}
	if l.id != l.target {
		c = c.only(l.id)
	} else if named && len(c.absent) == 0 {
		return nil, nil
	}
	if len(c.here) == 0 || c.root.Digest != l.id {
		return nil, errors.New("the engine does not tell what the image consists of")
	}
	return &standIn{c}, nil
}

// asBlob returns the index that comes as a blob; empty if there is none.
func (s *standIn) asBlob() digest.Digest {
	if s == nil || s.here[0].Digest == s.root.Digest {
		return ""
	}
	return s.root.Digest
}

// loadStandIn loads a stand-in under a name, which removes it when it goes.
func (e *Engine) loadStandIn(ctx context.Context, s *standIn, name string, claims *claimingRegistry) error {
	a, err := newProbeArchive(name)
	if err != nil {
		return err
	}
	claims.own = a.config.Digest
	for _, d := range s.here {
		a.manifest(d)
	}
	if s.asBlob() != "" {
		if _, err := a.blob(ocispec.Descriptor{Digest: s.root.Digest, Size: s.root.Size}); err != nil {
			return err
		}
	}
	archive, err := a.end()
	if err != nil {
		return err
	}
	// One load at a time: some engines do not take more.
	e.loading.Lock()
	defer e.loading.Unlock()
	return e.loadArchive(ctx, bytes.NewReader(archive))
}
