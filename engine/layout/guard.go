package layout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Guard keeps documents of more than [MaxDocument] bytes out of a sink: configs,
// manifests and indexes, which every engine reads into memory as a whole, again for
// each command that lists images. A blob is a document if something names it as
// one: the offer, the index, or a manifest or an index that was put. Its media type
// does not count, which is only a claim. Layers and attestations have no limit.
//
// A Guard is for one round.
type Guard struct {
	documents map[digest.Digest]bool
	docker    map[digest.Digest]bool          // configs with settings that only Docker's have
	chains    map[digest.Digest]digest.Digest // the chain IDs of the layers that configs name
	large     map[digest.Digest]int64         // blobs over the limit that were put, and their sizes
}

// NewGuard returns a guard for the blobs of an offer.
func NewGuard(o *transfer.Offer) *Guard {
	g := &Guard{documents: map[digest.Digest]bool{}, docker: map[digest.Digest]bool{},
		chains: map[digest.Digest]digest.Digest{}, large: map[digest.Digest]int64{}}
	for i := range o.Images {
		g.documents[o.Images[i].Root] = true
		g.documents[o.Images[i].Config] = true
	}
	return g
}

// Put returns a reader of the blob d in r for the sink to read in place of r, or
// an error of [transfer.KindRefused] if the blob is known to be a document and too
// large. The reader's Read fails if the blob names too large a document.
func (g *Guard) Put(d ocispec.Descriptor, r io.Reader) (io.Reader, error) {
	if d.Size > MaxDocument {
		if g.documents[d.Digest] {
			return nil, tooLarge(d.Digest, d.Size)
		}
		g.large[d.Digest] = d.Size
		return r, nil
	}
	return &guarded{g: g, r: r, d: d.Digest, size: d.Size, buf: []byte{}}, nil
}

// Check reports whether a document that the index names is too large. It is to be
// asked before anything is made of the blobs that were put.
func (g *Guard) Check(x *transfer.Index) error {
	for i := range x.Images {
		m := &x.Images[i]
		if err := g.name(m.Config.Digest, m.Config.Size); err != nil {
			return err
		}
		if m.Root == nil {
			continue
		}
		if err := g.name(m.Root.Digest, m.Root.Size); err != nil {
			return err
		}
	}
	return nil
}

// Docker reports whether the config d was put and has settings that OCI's configs do
// not have, such as a health check; see [Compose].
func (g *Guard) Docker(d digest.Digest) bool { return g.docker[d] }

// Layers reports whether the config d, as it was put, names the layers with these DiffIDs,
// bottom first.
func (g *Guard) Layers(d digest.Digest, diffIDs []digest.Digest) bool {
	return g.chains[d] == identity.ChainID(diffIDs)
}

// name notes that d is a document, which is said to have this size.
func (g *Guard) name(d digest.Digest, size int64) error {
	if size = max(size, g.large[d]); size > MaxDocument {
		return tooLarge(d, size)
	}
	if len(g.documents) == maxDocuments {
		return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("more than %d configs and manifests", maxDocuments)}
	}
	g.documents[d] = true
	return nil
}

// maxDocuments bounds the digests that a guard keeps.
const maxDocuments = 1 << 16

func tooLarge(d digest.Digest, size int64) error {
	return &transfer.Error{Kind: transfer.KindRefused,
		Err: fmt.Errorf("the config or manifest %s of %d bytes is over the limit of %d", d, size, MaxDocument)}
}

// A guarded passes a blob of at most MaxDocument bytes through. If it looks like
// JSON its last byte notes which documents it names.
type guarded struct {
	g    *Guard
	r    io.Reader
	d    digest.Digest
	size int64
	buf  []byte // what was read so far; nil when it is of no interest any more
}

func (b *guarded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.buf == nil {
		return n, err
	}
	b.buf = append(b.buf, p[:n]...)
	head := bytes.TrimLeft(b.buf, " \t\r\n")
	switch {
	case len(head) > 0 && head[0] != '{', int64(len(b.buf)) > b.size:
		b.buf = nil
	case int64(len(b.buf)) == b.size:
		if gerr := b.names(); gerr != nil {
			return n, gerr
		}
		b.buf = nil
	}
	return n, err
}

// names notes what the document names.
func (b *guarded) names() error {
	type named struct {
		Digest digest.Digest `json:"digest"`
		Size   int64         `json:"size"`
	}
	var doc struct {
		Config    named   `json:"config"`
		Manifests []named `json:"manifests"`
		RootFS    *struct {
			DiffIDs []digest.Digest `json:"diff_ids"`
		} `json:"rootfs"` // of an image's config
	}
	// An error does not matter: a document has the fields of a manifest or those of
	// an index, and whoever reads it as one does not look at the other's.
	_ = json.Unmarshal(b.buf, &doc)
	if doc.RootFS != nil && len(b.g.chains) < maxDocuments {
		b.g.chains[b.d] = identity.ChainID(doc.RootFS.DiffIDs)
		if dockerSettings(b.buf) {
			b.g.docker[b.d] = true
		}
	}
	for _, d := range append(doc.Manifests, doc.Config) {
		if d.Digest.Validate() != nil {
			continue
		}
		if err := b.g.name(d.Digest, d.Size); err != nil {
			return err
		}
	}
	return nil
}
