package layout

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Blobs are where the blobs of a layout are kept.
type Blobs interface {
	// Size returns the size of a blob, and whether it is there.
	Size(d digest.Digest) (int64, bool)
	// Open opens a blob that is there. What it reads has not been verified.
	// Its reads end with ctx where the store is behind a connection.
	Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
}

// An Item is one image with the blobs that it is made of.
type Item struct {
	transfer.Image
	Index transfer.IndexImage
	// Blobs are all that the image has here, attestations and other platforms
	// included: documents first, each after those that it refers to, then
	// layers, bottom first.
	Blobs []ocispec.Descriptor
	// Absent are the platforms that the image lists and that are not here.
	Absent []string
}

// A Source gives images of a layout.
type Source struct {
	transfer.Queue
	blobs Blobs
	items []Item
	given []transfer.Image // see Select
	delta *string
	notes []string
}

var (
	_ transfer.Source     = (*Source)(nil)
	_ transfer.BlobLister = (*Source)(nil)
)

// NewSource returns a source of the items. delta, if it is not nil, says for
// which host layers have been left out of them; the caller has checked that
// nothing else is missing.
func NewSource(blobs Blobs, items []Item, delta *string) *Source {
	s := &Source{blobs: blobs, items: items, delta: delta}
	s.Select(s.Images())
	return s
}

// Images describes the images there are, for [Source.Select].
func (s *Source) Images() []transfer.Image {
	out := make([]transfer.Image, len(s.items))
	for i := range s.items {
		out[i] = s.items[i].Image
	}
	return out
}

// Select sets which of the images are given, and their names: those are taken
// from images, everything else must be as [Source.Images] has it. To be called
// before the first Next; without it all images are given.
func (s *Source) Select(images []transfer.Image) {
	s.given = images
	s.Fill(images)
}

// Again returns another source of the images that this one was made to give. It may be used
// at the same time, until this one is closed.
func (s *Source) Again() *Source {
	again := NewSource(s.blobs, s.items, s.delta)
	again.Select(s.given)
	return again
}

// Note adds lines to [Source.Notes].
func (s *Source) Note(lines ...string) { s.notes = append(s.notes, lines...) }

// Notes says which platforms the images list that are not here, one line an
// image, and what [Source.Note] added.
func (s *Source) Notes() []string {
	out := slices.Clone(s.notes)
	for _, m := range s.items {
		if len(m.Absent) > 0 {
			out = append(out, fmt.Sprintf("%s lists %s, which is not here", m.Name(), strings.Join(m.Absent, ", ")))
		}
	}
	return out
}

// Export puts the blobs of each image in the order of [Item.Blobs]. A layer that the sink needs and
// that was left out fails it before anything is put.
func (s *Source) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	x := &transfer.Index{}
	if o.DryRun {
		return x, s.check(o, p)
	}
	if err := s.check(o, p); err != nil {
		return nil, err
	}
	drop := transfer.Unneeded(o, p)
	done := map[digest.Digest]bool{}
	for i := range o.Images {
		if p.Images[i].Status != transfer.Take {
			continue
		}
		m := s.item(o.Images[i].ID)
		for _, d := range m.Blobs {
			if drop[d.Digest] || done[d.Digest] {
				continue
			}
			done[d.Digest] = true
			if err := s.put(ctx, d, w); err != nil {
				return nil, err
			}
		}
		x.Images = append(x.Images, m.Index)
	}
	return x, nil
}

func (s *Source) put(ctx context.Context, d ocispec.Descriptor, w transfer.BlobWriter) error {
	r, err := s.blobs.Open(ctx, d.Digest)
	if err != nil {
		return err
	}
	defer r.Close()
	return w.Put(ctx, d, r)
}

// Blobs returns the digests of all blobs that come with an image.
func (s *Source) Blobs(id digest.Digest) []digest.Digest {
	m := s.item(id)
	out := make([]digest.Digest, len(m.Blobs))
	for i, d := range m.Blobs {
		out[i] = d.Digest
	}
	return out
}

func (s *Source) item(id digest.Digest) *Item {
	for i := range s.items {
		if s.items[i].ID == id {
			return &s.items[i]
		}
	}
	panic("layout: internal error: an image is taken that was not offered")
}

// check reports a layer that the plan needs and that is not here: what cannot be
// given whole is better not begun.
func (s *Source) check(o *transfer.Offer, p *transfer.Plan) error {
	for i, ip := range p.Images {
		m := &o.Images[i]
		if ip.Status == transfer.Whole || len(ip.Have) != len(m.Layers) {
			continue
		}
		for j, l := range m.Layers {
			_, here := s.blobs.Size(l.Digest)
			sized := l.Size > 0 || p.KnowsSizes
			switch {
			case here, ip.Have[j] && sized:
				continue
			case s.delta == nil:
				return transfer.Broken("layer %d of %s, %s, is missing from the archive, and is not here either", j+1, m.Name(), l.DiffID)
			}
			what := "another host"
			if *s.delta != "" {
				what = transfer.Printable(*s.delta)
			}
			return &transfer.Error{Kind: transfer.KindRefused,
				Err:  fmt.Errorf("the archive is a delta made for %s: it leaves out layer %d of %s, %s, which is not here", what, j+1, m.Name(), l.DiffID),
				Hint: "make it again with this host's own list: imgrecv --have > b.have here, then imgsend --have b.have there"}
		}
	}
	return nil
}

// Close has nothing to end.
func (s *Source) Close(error) error { return nil }
