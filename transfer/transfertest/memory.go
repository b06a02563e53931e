package transfertest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An Image is an image in memory, with its blobs.
type Image struct {
	transfer.Image
	Index transfer.IndexImage
	Blobs map[digest.Digest][]byte
}

// NewImage makes an image of layers. A zipped one ships them as gzip.
func NewImage(ref string, zipped bool, layers ...[]byte) *Image {
	m := &Image{Blobs: map[digest.Digest][]byte{}}
	m.Refs = []string{ref}
	m.Platform = ocispec.Platform{OS: "linux", Architecture: "amd64"}
	config := fmt.Sprintf("config of %s:", ref)
	for _, raw := range layers {
		diffID := digest.FromBytes(raw)
		config += " " + diffID.String()
		blob, media := raw, ocispec.MediaTypeImageLayer
		if zipped {
			blob, media = zip(raw), ocispec.MediaTypeImageLayerGzip
		}
		d := m.add(media, blob)
		m.Layers = append(m.Layers, transfer.Layer{DiffID: diffID, Digest: d.Digest, Size: d.Size})
		m.Index.Layers = append(m.Index.Layers, d)
	}
	m.Index.Config = m.add(ocispec.MediaTypeImageConfig, []byte(config))
	m.ID, m.Config = m.Index.Config.Digest, m.Index.Config.Digest
	m.Index.ID = m.ID
	return m
}

func (m *Image) add(media string, blob []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(blob), Size: int64(len(blob))}
	m.Blobs[d.Digest] = blob
	return d
}

func zip(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b) // a buffer takes it all
	_ = z.Close()
	return out.Bytes()
}

// A Source gives images in memory. Its fields make it do what a source may do, or
// should not.
type Source struct {
	transfer.Queue
	images map[digest.Digest]*Image

	Twice    bool                                    // put each blob twice
	Reverse  bool                                    // put the layers top first
	OnExport func(context.Context) error             // called first
	OnBlob   func(context.Context, int) error        // called before each blob
	Edit     func(*transfer.Index)                   // changes the index
	Wrap     func(ocispec.Descriptor, []byte) []byte // changes a blob

	Puts     []digest.Digest // the blobs that were put
	Exported int             // rounds
	Closed   int             // how often it was closed,
	CloseErr error           // and with what
}

// NewSource returns a source of images.
func NewSource(images ...*Image) *Source {
	s := &Source{images: map[digest.Digest]*Image{}}
	var offer []transfer.Image
	for _, m := range images {
		s.images[m.ID] = m
		offer = append(offer, m.Image)
	}
	s.Fill(offer)
	return s
}

// Export puts the blobs: of each image the config, then the layers.
func (s *Source) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	x := &transfer.Index{}
	if o.DryRun {
		return x, nil
	}
	s.Exported++
	if s.OnExport != nil {
		if err := s.OnExport(ctx); err != nil {
			return nil, err
		}
	}
	skip := transfer.Unneeded(o, p)
	n := 0
	put := func(m *Image, d ocispec.Descriptor) error {
		if s.OnBlob != nil {
			if err := s.OnBlob(ctx, n); err != nil {
				return err
			}
		}
		n++
		s.Puts = append(s.Puts, d.Digest)
		blob := m.Blobs[d.Digest]
		if s.Wrap != nil {
			blob = s.Wrap(d, blob)
		}
		// Hides WriteTo, as an engine's stream has none.
		return w.Put(ctx, d, struct{ io.Reader }{bytes.NewReader(blob)})
	}
	for i, ip := range p.Images {
		if ip.Status != transfer.Take {
			continue
		}
		m := s.images[o.Images[i].ID]
		layers := slices.Clone(m.Index.Layers)
		if s.Reverse {
			slices.Reverse(layers)
		}
		for _, d := range append([]ocispec.Descriptor{m.Index.Config}, layers...) {
			if skip[d.Digest] {
				continue
			}
			times := 1
			if s.Twice {
				times = 2
			}
			for range times {
				if err := put(m, d); err != nil {
					return nil, err
				}
			}
		}
		x.Images = append(x.Images, m.Index)
	}
	if s.Edit != nil {
		s.Edit(x)
	}
	return x, nil
}

// Close notes that it was called.
func (s *Source) Close(err error) error {
	s.Closed++
	s.CloseErr = err
	return nil
}

// A Sink takes images into memory. Its fields make it do what a sink may do, or
// should not.
type Sink struct {
	Blobs   map[digest.Digest][]byte
	Images  map[digest.Digest]transfer.IndexImage
	Names   map[string]digest.Digest
	Pending map[digest.Digest][]byte // blobs of this round

	OnPlan func(context.Context) error      // called by Plan first
	OnPut  func(context.Context, int) error // called before each blob
	OnLoad func(context.Context) error      // called by Commit first
	Vanish map[digest.Digest]bool           // layers that are gone when the first round commits
	Lie    func(*transfer.Plan)             // changes the plan
	Tell   func(*transfer.Outcome)          // changes the outcome

	Rounds   int   // plans
	Puts     int   // blobs
	Closed   int   // how often it was closed,
	CloseErr error // and with what

	offer *transfer.Offer
}

// NewSink returns a sink that has the blobs of some images.
func NewSink(have ...*Image) *Sink {
	s := &Sink{Blobs: map[digest.Digest][]byte{}, Images: map[digest.Digest]transfer.IndexImage{}, Names: map[string]digest.Digest{}}
	for _, m := range have {
		maps.Copy(s.Blobs, m.Blobs)
	}
	return s
}

// Hold makes the sink have the whole image.
func (s *Sink) Hold(m *Image) {
	maps.Copy(s.Blobs, m.Blobs)
	s.Images[m.ID] = m.Index
}

// Plan says what of the offer is in memory.
func (s *Sink) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	s.Rounds++
	if s.OnPlan != nil {
		if err := s.OnPlan(ctx); err != nil {
			return nil, err
		}
	}
	p := &transfer.Plan{}
	for _, m := range o.Images {
		ip := transfer.ImagePlan{Status: transfer.Take}
		_, whole := s.Images[m.ID]
		switch {
		case whole:
			ip.Status = transfer.Whole
		default:
			for _, l := range m.Layers {
				_, have := s.Blobs[l.Digest]
				ip.Have = append(ip.Have, have && !o.Full)
			}
		}
		p.Images = append(p.Images, ip)
	}
	if s.Lie != nil {
		s.Lie(p)
	}
	s.offer, s.Pending = o, map[digest.Digest][]byte{}
	return p, nil
}

// Put keeps a blob for Commit.
func (s *Sink) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if s.OnPut != nil {
		if err := s.OnPut(ctx, s.Puts); err != nil {
			return err
		}
	}
	s.Puts++
	b, err := io.ReadAll(r)
	if err != nil {
		// Engines say it in words of their own.
		return fmt.Errorf("load failed: %v", err) //nolint:errorlint // a sink that hides its cause
	}
	if _, ok := s.Pending[d.Digest]; ok {
		return errors.New("a blob was put twice")
	}
	s.Pending[d.Digest] = b
	return nil
}

// Commit takes in the images of a round, and names them.
func (s *Sink) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	if s.OnLoad != nil {
		if err := s.OnLoad(ctx); err != nil {
			return nil, err
		}
	}
	for d := range s.Vanish {
		delete(s.Blobs, d)
	}
	for _, m := range x.Images {
		for _, d := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
			_, here := s.Blobs[d.Digest]
			_, came := s.Pending[d.Digest]
			if !here && !came {
				if s.Vanish[d.Digest] {
					return &transfer.Outcome{Retry: "layer " + d.Digest.String() + " vanished"}, nil
				}
				return nil, fmt.Errorf("blob %s is missing", d.Digest)
			}
		}
	}
	maps.Copy(s.Blobs, s.Pending)
	for _, m := range x.Images {
		s.Images[m.ID] = m
	}
	out := &transfer.Outcome{}
	for _, m := range s.offer.Images {
		a := transfer.Arrival{ID: m.ID, New: m.ID}
		for _, ref := range m.Refs {
			n := transfer.Name{Ref: ref}
			if old := s.Names[ref]; old != m.ID {
				n.Replaced = old
			}
			s.Names[ref] = m.ID
			a.Names = append(a.Names, n)
		}
		out.Images = append(out.Images, a)
	}
	if s.Tell != nil {
		s.Tell(out)
	}
	return out, nil
}

// Close notes that it was called.
func (s *Sink) Close(err error) error {
	s.Closed++
	s.CloseErr = err
	return nil
}
