package contentstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/pkg/labels"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// refLabel begins the labels that name what a blob refers to.
const refLabel = "containerd.io/gc.ref.content"

// readAhead is how much of a blob is asked for at a time, in bytes. Each time is
// one call to the engine.
const readAhead = 4 << 20

// A Listing is what a content store had when it was listed. Blobs may be gone
// since.
type Listing struct {
	store content.Store
	info  map[digest.Digest]content.Info
}

var _ layout.Blobs = (*Listing)(nil)

// List lists a store. It takes a few milliseconds.
func List(ctx context.Context, store content.Store) (*Listing, error) {
	l := &Listing{store: store, info: map[digest.Digest]content.Info{}}
	err := store.Walk(ctx, func(i content.Info) error {
		l.info[i.Digest] = i
		return nil
	})
	return l, err
}

// Reachable returns a listing of just the blobs that the roots reach, the roots
// among them. Everything else may be removed at any moment.
func (l *Listing) Reachable(roots ...digest.Digest) *Listing {
	out := &Listing{store: l.store, info: map[digest.Digest]content.Info{}}
	for left := slices.Clone(roots); len(left) > 0; {
		d := left[len(left)-1]
		left = left[:len(left)-1]
		i, ok := l.info[d]
		if _, seen := out.info[d]; seen || !ok {
			continue
		}
		out.info[d] = i
		for key, value := range i.Labels {
			if strings.HasPrefix(key, refLabel) {
				left = append(left, digest.Digest(value))
			}
		}
	}
	return out
}

// Digests returns all blobs, in no order.
func (l *Listing) Digests() []digest.Digest {
	out := make([]digest.Digest, 0, len(l.info))
	for d := range l.info {
		out = append(out, d)
	}
	return out
}

// Size returns the size of a blob, and whether it is there.
func (l *Listing) Size(d digest.Digest) (int64, bool) {
	i, ok := l.info[d]
	return i.Size, ok
}

// DiffID returns what a layer was unpacked to, or "" if that is not known.
func (l *Listing) DiffID(d digest.Digest) digest.Digest {
	return digest.Digest(l.info[d].Labels[labels.LabelUncompressed])
}

// Open opens a blob. Its reads end with ctx.
func (l *Listing) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	ra, err := l.store.ReaderAt(ctx, ocispec.Descriptor{Digest: d})
	if err != nil {
		return nil, err
	}
	size := int(min(ra.Size(), readAhead))
	return &blob{bufio.NewReaderSize(content.NewReader(ra), size), ra}, nil
}

type blob struct {
	*bufio.Reader
	io.Closer
}

// An ErrorFunc says whose fault it is that a listed blob cannot be read.
type ErrorFunc func(ctx context.Context, d digest.Digest, err error) error

// OpenBlob opens a blob of this size like [Listing.Open]. What fails from here on, an
// end before that size included, is what explain makes of it.
func (l *Listing) OpenBlob(ctx context.Context, d digest.Digest, size int64, explain ErrorFunc) (io.ReadCloser, error) {
	r, err := l.Open(ctx, d)
	if err != nil {
		return nil, explain(ctx, d, err)
	}
	return &wholeReader{ReadCloser: r, ctx: ctx, d: d, left: size, explain: explain}, nil
}

// A wholeReader reads a blob whose size is known.
type wholeReader struct {
	io.ReadCloser
	ctx     context.Context
	d       digest.Digest
	left    int64
	explain ErrorFunc
}

var _ transfer.StoredBlob = (*wholeReader)(nil)

// Damaged says whose fault it is that the blob has another digest than its name says.
func (r *wholeReader) Damaged() error {
	return r.explain(r.ctx, r.d, errors.New("it has another digest than it should"))
}

func (r *wholeReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.left -= int64(n)
	if err == io.EOF && r.left > 0 {
		err = fmt.Errorf("it ends %d bytes early", r.left)
	}
	if err != nil && err != io.EOF {
		err = r.explain(r.ctx, r.d, err)
	}
	return n, err
}

// Layers returns the blobs of the layers with these DiffIDs, as far as there are
// any: the layer as it is, or what was unpacked to it. It reads the first bytes of
// each, for its media type.
func (l *Listing) Layers(ctx context.Context, diffIDs []digest.Digest) (map[digest.Digest]ocispec.Descriptor, error) {
	blobOf := map[digest.Digest]digest.Digest{}
	for d, i := range l.info {
		if id := digest.Digest(i.Labels[labels.LabelUncompressed]); id != "" {
			// Of several the least, so that it is always the same.
			if other := blobOf[id]; other == "" || d < other {
				blobOf[id] = d
			}
		}
	}
	out := map[digest.Digest]ocispec.Descriptor{}
	for _, id := range diffIDs {
		d := blobOf[id]
		if _, here := l.info[id]; here {
			d = id
		}
		if d == "" {
			continue
		}
		blob, err := l.Describe(ctx, d)
		if err != nil {
			return nil, err
		}
		out[id] = blob
	}
	return out, nil
}

// Describe returns a blob with its media type, as its first bytes tell it.
func (l *Listing) Describe(ctx context.Context, d digest.Digest) (ocispec.Descriptor, error) {
	out := ocispec.Descriptor{Digest: d}
	ra, err := l.store.ReaderAt(ctx, out)
	if err != nil {
		return out, err
	}
	defer ra.Close()
	head := make([]byte, min(ra.Size(), int64(layout.SniffLen)))
	if _, err := ra.ReadAt(head, 0); err != nil && err != io.EOF {
		return out, err
	}
	out.MediaType, out.Size = layout.Sniff(head), ra.Size()
	return out, nil
}
