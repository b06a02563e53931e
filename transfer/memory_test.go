package transfer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A memImage is an image with its blobs.
type memImage struct {
	transfer.Image
	index transfer.IndexImage
	blobs map[digest.Digest][]byte
}

// newImage makes an image of layers. A zipped one ships them as gzip.
func newImage(ref string, zipped bool, layers ...[]byte) *memImage {
	m := &memImage{blobs: map[digest.Digest][]byte{}}
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
		m.index.Layers = append(m.index.Layers, d)
	}
	m.index.Config = m.add(ocispec.MediaTypeImageConfig, []byte(config))
	m.ID, m.Config = m.index.Config.Digest, m.index.Config.Digest
	m.index.ID = m.ID
	return m
}

func (m *memImage) add(media string, blob []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(blob), Size: int64(len(blob))}
	m.blobs[d.Digest] = blob
	return d
}

func zip(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

// A memSource is a Source of images in memory.
type memSource struct {
	transfer.Queue
	images map[digest.Digest]*memImage

	twice    bool                                    // put each blob twice
	onExport func(context.Context) error             // called first
	onBlob   func(context.Context, int) error        // called before each blob
	edit     func(*transfer.Index)                   // lies
	wrap     func(ocispec.Descriptor, []byte) []byte // lies

	mu       sync.Mutex
	puts     []digest.Digest
	exported int // rounds
	closed   int
	closeErr error
}

func newSource(images ...*memImage) *memSource {
	s := &memSource{images: map[digest.Digest]*memImage{}}
	var offer []transfer.Image
	for _, m := range images {
		s.images[m.ID] = m
		offer = append(offer, m.Image)
	}
	s.Fill(offer)
	return s
}

func (s *memSource) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	x := &transfer.Index{}
	if o.DryRun {
		return x, nil
	}
	s.exported++
	if s.onExport != nil {
		if err := s.onExport(ctx); err != nil {
			return nil, err
		}
	}
	skip := transfer.Unneeded(o, p)
	n := 0
	put := func(m *memImage, d ocispec.Descriptor) error {
		if s.onBlob != nil {
			if err := s.onBlob(ctx, n); err != nil {
				return err
			}
		}
		n++
		s.mu.Lock()
		s.puts = append(s.puts, d.Digest)
		s.mu.Unlock()
		blob := m.blobs[d.Digest]
		if s.wrap != nil {
			blob = s.wrap(d, blob)
		}
		// Hides WriteTo, as an engine's stream has none.
		return w.Put(ctx, d, struct{ io.Reader }{bytes.NewReader(blob)})
	}
	for i, ip := range p.Images {
		if ip.Status != transfer.Take {
			continue
		}
		m := s.images[o.Images[i].ID]
		for _, d := range append([]ocispec.Descriptor{m.index.Config}, m.index.Layers...) {
			if skip[d.Digest] {
				continue
			}
			times := 1
			if s.twice {
				times = 2
			}
			for range times {
				if err := put(m, d); err != nil {
					return nil, err
				}
			}
		}
		x.Images = append(x.Images, m.index)
	}
	if s.edit != nil {
		s.edit(x)
	}
	return x, nil
}

func (s *memSource) Close(err error) error {
	s.closed++
	s.closeErr = err
	return nil
}

// A memSink is a Sink into memory.
type memSink struct {
	blobs  map[digest.Digest][]byte
	images map[digest.Digest]transfer.IndexImage
	names  map[string]digest.Digest

	later  bool                             // take one image a round
	onPut  func(context.Context, int) error // called before each blob
	vanish map[digest.Digest]bool           // layers that are gone when the first round commits
	onPlan func(context.Context) error      //
	onLoad func(context.Context) error      // called by Commit first
	lie    func(*transfer.Plan)             //
	tell   func(*transfer.Outcome)          //

	rounds   int
	puts     int
	offer    *transfer.Offer
	plan     *transfer.Plan
	pending  map[digest.Digest][]byte
	closed   int
	closeErr error
}

func newSink(have ...*memImage) *memSink {
	s := &memSink{blobs: map[digest.Digest][]byte{}, images: map[digest.Digest]transfer.IndexImage{}, names: map[string]digest.Digest{}}
	for _, m := range have {
		maps.Copy(s.blobs, m.blobs)
	}
	return s
}

// hold makes the sink have the whole image.
func (s *memSink) hold(m *memImage) {
	maps.Copy(s.blobs, m.blobs)
	s.images[m.ID] = m.index
}

func (s *memSink) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	s.rounds++
	if s.onPlan != nil {
		if err := s.onPlan(ctx); err != nil {
			return nil, err
		}
	}
	p := &transfer.Plan{}
	taken := false
	for _, m := range o.Images {
		ip := transfer.ImagePlan{Status: transfer.Take}
		_, whole := s.images[m.ID]
		switch {
		case whole:
			ip.Status = transfer.Whole
		case taken && s.later:
			ip.Status = transfer.Later
		default:
			taken = true
			for _, l := range m.Layers {
				_, have := s.blobs[l.Digest]
				ip.Have = append(ip.Have, have && !o.Full)
			}
		}
		p.Images = append(p.Images, ip)
	}
	if s.lie != nil {
		s.lie(p)
	}
	s.offer, s.plan, s.pending = o, p, map[digest.Digest][]byte{}
	return p, nil
}

func (s *memSink) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if s.onPut != nil {
		if err := s.onPut(ctx, s.puts); err != nil {
			return err
		}
	}
	s.puts++
	b, err := io.ReadAll(r)
	if err != nil {
		// Engines say it in words of their own.
		return fmt.Errorf("load failed: %v", err) //nolint:errorlint // a sink that hides its cause
	}
	if _, ok := s.pending[d.Digest]; ok {
		return errors.New("memSink: blob put twice")
	}
	s.pending[d.Digest] = b
	return nil
}

func (s *memSink) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	if s.onLoad != nil {
		if err := s.onLoad(ctx); err != nil {
			return nil, err
		}
	}
	for d := range s.vanish {
		delete(s.blobs, d)
	}
	for _, m := range x.Images {
		for _, d := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
			_, here := s.blobs[d.Digest]
			_, came := s.pending[d.Digest]
			if !here && !came {
				if s.vanish[d.Digest] {
					return &transfer.Outcome{Retry: "layer " + d.Digest.String() + " vanished"}, nil
				}
				return nil, fmt.Errorf("memSink: blob %s is missing", d.Digest)
			}
		}
	}
	maps.Copy(s.blobs, s.pending)
	for _, m := range x.Images {
		s.images[m.ID] = m
	}
	out := &transfer.Outcome{}
	for i, ip := range s.plan.Images {
		if ip.Status == transfer.Later {
			continue
		}
		m := s.offer.Images[i]
		a := transfer.Arrival{ID: m.ID, New: m.ID}
		for _, ref := range m.Refs {
			n := transfer.Name{Ref: ref}
			if old := s.names[ref]; old != m.ID {
				n.Replaced = old
			}
			s.names[ref] = m.ID
			a.Names = append(a.Names, n)
		}
		out.Images = append(out.Images, a)
	}
	if s.tell != nil {
		s.tell(out)
	}
	return out, nil
}

func (s *memSink) Close(err error) error {
	s.closed++
	s.closeErr = err
	return nil
}
