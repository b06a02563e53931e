package transfer

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// MaxDocument is the most bytes that a manifest, an index or a config may have,
// as registries limit them (OCI distribution specification, "Pushing
// Manifests").
const MaxDocument = 4 << 20

// maxOffered is the most bytes that the images of one offer may claim to have
// together.
const maxOffered = 1 << 56

// What a source may put beyond the sizes that it offered.
const (
	docsRoom       = 16 << 20  // for an image whose sizes are exact
	estimateFactor = 4         // of the size of an image with an estimate in it,
	estimateRoom   = 128 << 20 // and this
)

// A budget is what may come in one round: no more than was offered, and in the
// whole copy no more than there is room for. It is asked before a blob is passed
// on, by the size that its source announces.
type budget struct {
	docs  map[digest.Digest]bool  // manifests and configs by their digests
	exact map[digest.Digest]int64 // layers whose sizes are exact
	room  *room
	// bounded is whether the source is held to the sum of what it offered. most
	// is how many bytes of blobs may still go to the sink then, and all how many
	// may still go by, repeated blobs included.
	bounded   bool
	most, all int64
}

// newBudget returns the budget of what p takes of o. Only a source on another
// host is held to the sum of what it offered.
func newBudget(o *Offer, p *Plan, remote bool, r *room) *budget {
	b := &budget{docs: map[digest.Digest]bool{}, exact: map[digest.Digest]int64{}, room: r, bounded: remote}
	for i, ip := range p.Images {
		if ip.Status != Take {
			continue
		}
		m := &o.Images[i]
		b.docs[m.Config], b.docs[m.Root] = true, true
		for _, l := range m.Layers {
			if l.Exact && l.Digest != "" {
				b.exact[l.Digest] = l.Size
			}
		}
		b.most += m.bound()
	}
	b.all = 2 * b.most
	return b
}

// bound returns the most bytes that the blobs of m may have.
func (m *Image) bound() int64 {
	for _, l := range m.Layers {
		if !l.Exact {
			return estimateFactor*(m.Size()+m.Extra) + estimateRoom
		}
	}
	return m.Size() + m.Extra + docsRoom
}

// passes reports why a blob may not go by, whether it is passed on or not.
func (b *budget) passes(d ocispec.Descriptor) error {
	if size, ok := b.exact[d.Digest]; ok && size != d.Size {
		return Broken("layer %s of %d bytes was offered with %d", d.Digest, d.Size, size)
	}
	if (b.docs[d.Digest] || isDocument(d.MediaType)) && d.Size > MaxDocument {
		return tooLarge(d)
	}
	if b.bounded && d.Size > b.all {
		return beyond(d)
	}
	b.all -= d.Size
	return nil
}

// take takes a blob that is passed on out of the budget, or reports that it is
// spent.
func (b *budget) take(d ocispec.Descriptor) error {
	if b.bounded && d.Size > b.most {
		return beyond(d)
	}
	b.most -= d.Size
	return b.room.take(d.Size)
}

// tooLarge is the error for a document that no sink takes, however often it comes.
func tooLarge(d ocispec.Descriptor) error {
	return &Error{Kind: KindRefused, Err: fmt.Errorf("document %s of %d bytes is over the limit of %d", d.Digest, d.Size, MaxDocument)}
}

func beyond(d ocispec.Descriptor) error {
	return Broken("with blob %s of %d bytes comes more than was offered", d.Digest, d.Size)
}

// isDocument reports whether blobs of this media type are manifests, indexes or
// configs.
func isDocument(mediaType string) bool {
	switch mediaType {
	case ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageConfig,
		"application/vnd.docker.distribution.manifest.v2+json",
		"application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.docker.container.image.v1+json":
		return true
	}
	return false
}

// A room is what there is for all blobs of a copy.
type room struct {
	asked bool
	limit int64 // bytes; 0: no limit
	taken int64
}

// check refuses what p wants of o, before anything moves, if it is too much. ask
// is asked once.
func (r *room) check(ctx context.Context, o *Offer, p *Plan, ask func(context.Context) (int64, error)) error {
	if ask == nil {
		return nil
	}
	if !r.asked {
		var err error
		if r.limit, err = ask(ctx); err != nil {
			return err
		}
		r.asked = true
	}
	if need := expected(o, p); r.limit > 0 && need > r.limit-r.taken {
		return r.refuse("the images need about " + megabytes(need))
	}
	return nil
}

func (r *room) take(n int64) error {
	if r.limit > 0 && n > r.limit-r.taken {
		return r.refuse("more comes than was offered")
	}
	r.taken += n
	return nil
}

// back gives back what a round took that is to be repeated.
func (r *room) back(n int64) { r.taken -= n }

func (r *room) refuse(what string) error {
	return &Error{Kind: KindRefused, Err: fmt.Errorf("%s, and there is room for %s", what, megabytes(max(r.limit-r.taken, 0))),
		Hint: "make room there, or let imgrecv take more with --max-size"}
}

// expected returns the bytes that o will bring, as far as it says so: those of
// each layer that the sink lacks, once.
func expected(o *Offer, p *Plan) int64 {
	var n int64
	counted := map[digest.Digest]bool{}
	for i, ip := range p.Images {
		if ip.Status == Whole {
			continue
		}
		m := &o.Images[i]
		n += m.Extra
		for j, l := range m.Layers {
			if counted[l.DiffID] || j < len(ip.Have) && ip.Have[j] {
				continue
			}
			counted[l.DiffID] = true
			n += l.Size
		}
	}
	return n
}
