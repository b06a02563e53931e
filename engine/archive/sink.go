package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// DeltaAnnotation of an archive's index.json says that layers were left out on
// purpose, and for which host.
const DeltaAnnotation = "io.github.imgsend.delta"

// SinkOptions say what a [Sink] leaves out.
type SinkOptions struct {
	// Have says for each layer of an image, bottom first, whether the host that
	// the archive is for has it; it must answer for every layer. Nil: the
	// archive is complete.
	Have func(transfer.Image) []bool
	// For is the name of that host, for errors when the archive is read elsewhere.
	For string
}

// A Sink writes images into an archive, with their names: an OCI image layout
// with Docker's manifest.json beside it, metadata last. It takes one round.
type Sink struct {
	o     SinkOptions
	w     *layout.Writer
	offer *transfer.Offer
	names [][]string // of the offered images, in their short form
	guard *layout.Guard
	left  bool // a layer was left out
}

var _ transfer.Sink = (*Sink)(nil)

// NewSink returns a sink that writes to w. Commit ends the archive; nobody
// closes w. Without a Commit what was written has no metadata, so that nobody
// takes it for an archive.
func NewSink(w io.Writer, o SinkOptions) *Sink {
	return &Sink{o: o, w: layout.NewWriter(w)}
}

// Plan takes every image, and every layer that is not to be left out.
func (s *Sink) Plan(_ context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	if s.offer != nil {
		return nil, errors.New("an archive takes its images in one round")
	}
	if err := s.name(o); err != nil {
		return nil, err
	}
	s.offer, s.guard = o, layout.NewGuard(o)
	p := &transfer.Plan{Images: make([]transfer.ImagePlan, len(o.Images))}
	for i, m := range o.Images {
		have := make([]bool, len(m.Layers))
		if s.o.Have != nil && !o.Full {
			copy(have, s.o.Have(m))
		}
		for _, h := range have {
			s.left = s.left || h
		}
		p.Images[i] = transfer.ImagePlan{Status: transfer.Take, Have: have}
	}
	return p, nil
}

// name notes the names of the images in their short form. Each is that of one image, or
// nobody could read the archive.
func (s *Sink) name(o *transfer.Offer) error {
	s.names = make([][]string, len(o.Images))
	owner := map[string]digest.Digest{}
	for i := range o.Images {
		m := &o.Images[i]
		for _, ref := range m.Refs {
			name, err := layout.ShortName(ref)
			if err != nil {
				return &transfer.Error{Kind: transfer.KindRefused, Err: err}
			}
			if name == "" {
				return refused("%s has a digest, and cannot be a name in an archive", ref)
			}
			if prev, taken := owner[name]; taken && prev != m.ID {
				return refused("two images of an archive cannot both be called %s", name)
			}
			owner[name] = m.ID
			s.names[i] = append(s.names[i], name)
		}
	}
	return nil
}

func refused(format string, args ...any) error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf(format, args...)}
}

// Put writes a blob.
func (s *Sink) Put(_ context.Context, d ocispec.Descriptor, r io.Reader) error {
	r, err := s.guard.Put(d, r)
	if err != nil {
		return err
	}
	return s.w.Blob(d.Digest, d.Size, r)
}

// Commit writes the metadata and ends the archive.
func (s *Sink) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.guard.Check(x); err != nil {
		return nil, err
	}
	out := &transfer.Outcome{}
	entries := make([]layout.Entry, len(x.Images))
	for i := range x.Images {
		m := &x.Images[i]
		e := &entries[i]
		offered := &s.offer.Images[i] // all are taken
		if !s.guard.Layers(m.Config.Digest, offered.DiffIDs()) {
			return nil, transfer.Broken("%s arrived with other layers than were offered", offered.Name())
		}
		e.Config, e.Layers, e.Names = m.Config.Digest, m.Layers, s.names[i]
		if s.guard.Docker(m.Config.Digest) {
			m.Config.MediaType = layout.DockerConfig // podman load reads the manifest
		}
		var err error
		e.Root, err = layout.Root(m, func(d ocispec.Descriptor, r io.Reader) error { return s.w.Blob(d.Digest, d.Size, r) })
		if err != nil {
			return nil, err
		}
		a := transfer.Arrival{ID: m.ID, New: m.ID}
		for _, ref := range offered.Refs {
			a.Names = append(a.Names, transfer.Name{Ref: ref})
		}
		out.Images = append(out.Images, a)
	}
	if s.left {
		s.w.Annotations = map[string]string{DeltaAnnotation: s.o.For}
	}
	return out, s.w.Finish(entries)
}

// Close has nothing to end.
func (s *Sink) Close(error) error { return nil }
