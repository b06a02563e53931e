package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/contentstore"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerd serves the content store of its containerd image store read-only
// (seen on 26.1.5, 28.5.2 and 29; in moby's sources since 24.0.0). A classic
// store has none, and proxies in front of the API socket may hide it.

// contentListing lists the images and what they reach of the content store. also are
// images that the engine has and may not list: Docker 29 lists none of another
// platform without a name. It fails where there is no content store, or none is
// served.
func (e *Engine) contentListing(ctx context.Context, also ...digest.Digest) (*imageContent, error) {
	if !e.keepsBlobs {
		return nil, errors.New("not a containerd store")
	}
	conn, err := e.grpc(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, grpcTimeout)
	defer cancel()
	// The images first: one that is added meanwhile is missed, and one that is
	// removed meanwhile has no blobs. The reverse would miss blobs.
	list, err := e.api.ImageList(ctx, image.ListOptions{All: true})
	if err != nil {
		return nil, err
	}
	all, err := contentstore.List(ctx, proxy.NewContentStore(conn))
	if err != nil {
		return nil, fmt.Errorf("list the content store: %w", err)
	}
	c := &imageContent{roots: also, list: list}
	for _, s := range list {
		c.roots = append(c.roots, digest.Digest(s.ID))
	}
	c.Listing = all.Reachable(c.roots...)
	return c, nil
}

// imageContent is what the images of a containerd store consist of. Blobs that no
// image reaches are not in it: they may be removed within seconds.
type imageContent struct {
	*contentstore.Listing
	list  []image.Summary
	roots []digest.Digest // the images: their manifests and indexes
	// rootsOf has the images that reach a blob; see [imageContent.reaching].
	rootsOf map[digest.Digest][]digest.Digest
}

// reaching returns the images that reach a blob.
func (c *imageContent) reaching(blob digest.Digest) []digest.Digest {
	if c.rootsOf == nil {
		c.rootsOf = map[digest.Digest][]digest.Digest{}
		for _, root := range c.roots {
			for _, d := range c.Reachable(root).Digests() {
				c.rootsOf[d] = append(c.rootsOf[d], root)
			}
		}
	}
	return c.rootsOf[blob]
}

// Open opens a blob. What fails from here on is the engine's fault.
func (c *imageContent) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	size, _ := c.Size(d)
	return c.OpenBlob(ctx, d, size, unreadable)
}

// unreadable is the error for a blob that is listed and cannot be read.
func unreadable(ctx context.Context, d digest.Digest, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := &transfer.Error{Kind: transfer.KindEngine, Op: "read blob " + d.String() + " of the engine", Err: errorText(err)}
	if !isConnectionError(err) {
		out.Hint = "the engine's store is damaged: remove the image there and pull, load or build it again"
	}
	return out
}

func isConnectionError(err error) bool {
	return errdefs.IsUnavailable(err) || errdefs.IsCanceled(err) || errdefs.IsDeadlineExceeded(err)
}

// image reads the manifests and configs of an image, by a reader that says which of
// several to choose.
func (c *imageContent) image(ctx context.Context, root digest.Digest, r *layout.Reader) (*layout.Item, error) {
	r.Blobs = c
	item, err := r.Image(ctx, ocispec.Descriptor{Digest: root})
	var known *transfer.Error
	if errors.As(err, &known) && known.Kind == transfer.KindBroken {
		return nil, &transfer.Error{Kind: transfer.KindEngine, Err: known.Err,
			Hint: "the image is incomplete in the engine: pull, load or build it again"}
	}
	return item, err
}

// of reads the image root as the one of several that m is.
func (c *imageContent) of(ctx context.Context, root digest.Digest, m *transfer.Image) (*layout.Item, error) {
	return c.image(ctx, root, &layout.Reader{Layers: m.DiffIDs()})
}

// find returns the image here that is m, or "": one with its manifest, or, as
// images of other stores have none, one with its config.
func (c *imageContent) find(ctx context.Context, m *transfer.Image) digest.Digest {
	same := func(root digest.Digest) bool {
		item, err := c.of(ctx, root, m)
		return err == nil && (m.Config == "" || item.Config == m.Config) && slices.Equal(item.DiffIDs(), m.DiffIDs())
	}
	if slices.Contains(c.reaching(m.Root), m.Root) && same(m.Root) {
		return m.Root
	}
	if m.Config == "" {
		return ""
	}
	for _, root := range c.reaching(m.Config) {
		if same(root) {
			return root
		}
	}
	return ""
}

// verify reports why the image root, which has been loaded, is not all of m.
func (c *imageContent) verify(ctx context.Context, root digest.Digest, m *transfer.Image) error {
	item, err := c.of(ctx, root, m)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: the engine has loaded it incompletely: %w", m.Name(), err)
	}
	if !slices.Equal(item.DiffIDs(), m.DiffIDs()) {
		return otherLayers(m)
	}
	return nil
}

// otherLayers is the error for an image that arrived otherwise than offered.
func otherLayers(m *transfer.Image) error {
	return &transfer.Error{Kind: transfer.KindBroken, Err: fmt.Errorf("%s arrived with other layers than were offered", m.Name())}
}
