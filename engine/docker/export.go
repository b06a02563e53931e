package docker

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Export reads the images to take out of the content store. Where the engine has
// none it has them pushed, where that is faster, and saves the others, all at once
// where it can. Their blobs are put into w as they come out of the engine.
func (s *Source) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	x := &transfer.Index{}
	var take []*transfer.Image
	for i := range o.Images {
		if p.Images[i].Status == transfer.Take {
			take = append(take, &o.Images[i])
		}
	}
	if o.DryRun || len(take) == 0 {
		return x, nil
	}
	if s.stored != nil {
		for _, m := range take {
			s.report(m, "read", s.e.store.String())
		}
		return s.stored.Export(ctx, o, p, w)
	}
	drop := transfer.Unneeded(o, p)
	saved := map[digest.Digest]transfer.IndexImage{}
	rest, err := s.exportLayers(ctx, take, p, drop, w, saved)
	if err != nil {
		return nil, err
	}
	for _, batch := range s.batches(rest) {
		if err := s.save(ctx, batch, drop, w, saved); err != nil {
			return nil, err
		}
	}
	for _, m := range take {
		x.Images = append(x.Images, saved[m.ID])
	}
	return x, nil
}

// exportLayers has images pushed where that is faster, and returns those that are
// left to save. A push that fails leaves its image to save, without the layers that
// were put before: these are in drop.
func (s *Source) exportLayers(ctx context.Context, take []*transfer.Image, p *transfer.Plan, drop map[digest.Digest]bool, w transfer.BlobWriter, out map[digest.Digest]transfer.IndexImage) ([]*transfer.Image, error) {
	var rest []*transfer.Image
	for _, m := range take {
		why := s.saveOnly()
		pushes := why == ""
		if pushes {
			pushes, why = s.pushesLayers(m, p, drop)
		}
		if !pushes {
			s.report(m, "save", why)
			rest = append(rest, m)
			continue
		}
		x, err := s.pushLayers(ctx, m, drop, w)
		var sink *sinkError
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, failed("push "+m.Name(), ctx.Err())
		case errors.As(err, &sink):
			return nil, sink.err
		case err != nil:
			s.report(m, "save", "no push: "+cleanMessage(err.Error()))
			rest = append(rest, m)
		default:
			s.report(m, "push", why)
			out[m.ID] = *x
		}
	}
	return rest, nil
}

// saveOnly says why the engine can only save images, or "".
func (s *Source) saveOnly() string {
	if s.e.store != Containerd {
		return ""
	}
	return fmt.Sprintf("%s, which serves no content: %v", s.e.store, s.unread)
}

func (s *Source) report(m *transfer.Image, exporter, why string) {
	if s.OnExport != nil {
		s.OnExport(m, exporter, why)
	}
}

// batches splits images into those that one save can hold.
func (s *Source) batches(images []*transfer.Image) [][]*transfer.Image {
	var out [][]*transfer.Image
	for _, m := range images {
		i := slices.IndexFunc(out, func(batch []*transfer.Image) bool {
			return s.together(append(batch[:len(batch):len(batch)], m))
		})
		if i < 0 {
			i, out = len(out), append(out, nil)
		}
		out[i] = append(out[i], m)
	}
	return out
}

// together reports whether one save can hold the images: layers in Docker's old
// format may need more than one.
func (s *Source) together(images []*transfer.Image) bool {
	if s.e.store != Classic {
		return true
	}
	_, ok := newV1Layers(images)
	return ok
}

func (s *Source) save(ctx context.Context, images []*transfer.Image, drop map[digest.Digest]bool, w transfer.BlobWriter, saved map[digest.Digest]transfer.IndexImage) error {
	op := "save " + images[0].Name()
	ids := make([]string, len(images))
	for i, m := range images {
		ids[i] = m.ID.String()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a save that is not read to its end
	body, err := s.e.api.ImageSave(ctx, ids)
	if err != nil {
		return failed(op, err)
	}
	defer body.Close()
	sr := newSaveReader(s.e.store, images, drop, w)
	if err := sr.read(ctx, &saveBody{body, op}); err != nil {
		var sink *sinkError
		if errors.As(err, &sink) {
			return sink.err
		}
		return failed(op, err)
	}
	for _, m := range images {
		im, err := sr.index(m)
		if err != nil {
			return failed("save "+m.Name(), err)
		}
		saved[m.ID] = *im
	}
	return nil
}

// saveBody is the body of a save. Its failures are the engine's, wherever they
// come up.
type saveBody struct {
	r  io.Reader
	op string
}

func (b *saveBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = failed(b.op, truncated(err))
	}
	return n, err
}

// A saveReader turns the tar that an engine's save writes into blobs. The
// members of all formats come in an order of their own, metadata last:
//
//	Docker ≥ 25, containerd store   blobs/sha256/<digest>, index.json, manifest.json
//	Docker < 25                     <v1 ID>/{VERSION,json,layer.tar}, <config>.json, manifest.json
//	Podman                          <DiffID>.tar, <config>.json, manifest.json
type saveReader struct {
	store  Kind
	w      transfer.BlobWriter
	drop   map[digest.Digest]bool
	wanted map[digest.Digest]bool // nil: every blob
	v1     *v1Layers

	blobs map[digest.Digest]ocispec.Descriptor // that the archive has, dropped ones included
	docs  *layout.Documents
	list  []layout.DockerImage // manifest.json
}

// sinkError marks an error of the sink, so that the engine is not blamed.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }

func newSaveReader(store Kind, images []*transfer.Image, drop map[digest.Digest]bool, w transfer.BlobWriter) *saveReader {
	r := &saveReader{store: store, w: w, drop: drop, blobs: map[digest.Digest]ocispec.Descriptor{}, docs: layout.NewDocuments()}
	r.v1 = &v1Layers{}
	if store == Classic {
		r.v1, _ = newV1Layers(images)
		r.wanted = map[digest.Digest]bool{}
		for _, m := range images {
			r.wanted[m.Config] = true
			for _, l := range m.Layers {
				r.wanted[l.DiffID] = true
			}
		}
	}
	return r
}

func (r *saveReader) read(ctx context.Context, body io.Reader) error {
	tr := tar.NewReader(body)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return r.ended(body)
		}
		if err != nil {
			return truncated(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue // folders; links to layers that have a member of their own
		}
		if err := r.member(ctx, h, tr); err != nil {
			return truncated(err)
		}
	}
}

// ended reads what follows the archive: an engine that fails late may say so
// there, under HTTP 200.
func (r *saveReader) ended(body io.Reader) error {
	rest, err := io.ReadAll(io.LimitReader(body, 64<<10))
	if err != nil {
		return truncated(err)
	}
	if msg := bytes.Trim(rest, "\x00 \r\n"); len(msg) > 0 && msg[0] == '{' {
		return fmt.Errorf("the engine said at the end: %.500s", msg)
	}
	if r.list == nil && r.store != Containerd {
		return errors.New("the engine's archive ends without a manifest.json")
	}
	return nil
}

func truncated(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the engine's archive ends early")
	}
	return err
}

var (
	blobMember   = regexp.MustCompile(`^blobs/(sha256|sha512)/([0-9a-f]+)$`)
	podmanMember = regexp.MustCompile(`^([0-9a-f]{64})\.(tar|json)$`)
	v1Member     = regexp.MustCompile(`^([0-9a-f]{64})/(json|layer\.tar)$`)
)

func (r *saveReader) member(ctx context.Context, h *tar.Header, body io.Reader) error {
	name := strings.TrimPrefix(h.Name, "./")
	if name == "manifest.json" {
		b, err := readMember(h, body)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &r.list); err != nil {
			return fmt.Errorf("manifest.json: %w", err)
		}
		return nil
	}
	if m := v1Member.FindStringSubmatch(name); m != nil && m[2] == "json" {
		b, err := readMember(h, body)
		if err != nil {
			return err
		}
		return r.v1.saw(m[1], b)
	}
	d, ok := r.digest(name)
	if !ok {
		return nil
	}
	return r.blob(ctx, d, h, body)
}

// digest tells which blob a member of the archive is.
func (r *saveReader) digest(name string) (digest.Digest, bool) {
	if m := blobMember.FindStringSubmatch(name); m != nil {
		d := digest.NewDigestFromEncoded(digest.Algorithm(m[1]), m[2])
		return d, d.Validate() == nil
	}
	if m := podmanMember.FindStringSubmatch(name); m != nil {
		return digest.NewDigestFromEncoded(digest.SHA256, m[1]), true
	}
	if m := v1Member.FindStringSubmatch(name); m != nil && m[2] == "layer.tar" {
		d, ok := r.v1.layer[m[1]]
		return d, ok
	}
	return "", false
}

func readMember(h *tar.Header, body io.Reader) ([]byte, error) {
	if h.Size > layout.MaxDocument {
		return nil, fmt.Errorf("%s of %d bytes is over the limit of %d", h.Name, h.Size, layout.MaxDocument)
	}
	b := make([]byte, h.Size)
	_, err := io.ReadFull(body, b)
	return b, err
}

// blob notes a blob and puts it into the sink, if it is wanted there.
func (r *saveReader) blob(ctx context.Context, d digest.Digest, h *tar.Header, body io.Reader) error {
	br := bufio.NewReaderSize(body, layout.SniffLen)
	head, err := br.Peek(int(min(h.Size, int64(layout.SniffLen))))
	if err != nil {
		return err
	}
	desc := ocispec.Descriptor{MediaType: layout.Sniff(head), Digest: d, Size: h.Size}
	if strings.HasSuffix(h.Name, ".json") {
		desc.MediaType = ocispec.MediaTypeImageConfig
	}
	r.blobs[d] = desc
	if r.drop[d] || r.wanted != nil && !r.wanted[d] {
		return nil
	}
	var src io.Reader = &wholeReader{br, h.Size}
	if r.store == Containerd && len(head) > 0 && head[0] == '{' && h.Size <= layout.MaxDocument {
		b, err := io.ReadAll(src)
		if err != nil {
			return err
		}
		if err := r.docs.Add(d, b); err != nil {
			return err
		}
		src = bytes.NewReader(b)
	}
	if err := r.w.Put(ctx, desc, src); err != nil {
		return &sinkError{err}
	}
	return nil
}

// wholeReader reads a member of a known size. That its archive ends inside it is
// the engine's fault, not the blob's.
type wholeReader struct {
	r    io.Reader
	left int64
}

func (w *wholeReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.left -= int64(n)
	if err == io.ErrUnexpectedEOF || err == io.EOF && w.left > 0 {
		err = failed("save", truncated(io.ErrUnexpectedEOF))
	}
	return n, err
}

// index says how the blobs make up the image.
func (r *saveReader) index(m *transfer.Image) (*transfer.IndexImage, error) {
	out := &transfer.IndexImage{ID: m.ID}
	if r.store == Containerd {
		return out, r.indexManifest(m, out)
	}
	for _, a := range r.list {
		config, ok := r.digest(a.Config)
		if !ok || config != m.Config && !r.rewritten(a, m) {
			continue
		}
		out.Config = r.blobs[config]
		for i, l := range m.Layers {
			d, ok := r.blobs[l.DiffID]
			if !ok {
				return nil, fmt.Errorf("layer %d, %s, is missing from the engine's archive", i+1, l.DiffID)
			}
			out.Layers = append(out.Layers, d)
		}
		return out, nil
	}
	return nil, fmt.Errorf("the engine's archive does not list the image %s", m.ID)
}

// rewritten reports whether a is m with a config that the engine has written
// anew: Podman keeps OCI images, and converts their configs when it saves them
// in Docker's format.
func (r *saveReader) rewritten(a layout.DockerImage, m *transfer.Image) bool {
	if r.store != Podman || len(a.Layers) != len(m.Layers) {
		return false
	}
	for i, name := range a.Layers {
		if d, ok := r.digest(name); !ok || d != m.Layers[i].DiffID {
			return false
		}
	}
	return true
}

func (r *saveReader) indexManifest(m *transfer.Image, out *transfer.IndexImage) error {
	root, ok := r.docs.Descriptor(m.ID)
	if !ok {
		return fmt.Errorf("the engine's archive lacks the manifest %s", m.ID)
	}
	doc := r.docs.Find(m.ID, m.Platform, len(m.Layers))
	if doc == nil {
		return fmt.Errorf("the engine's archive lacks the manifest for %s/%s", m.Platform.OS, m.Platform.Architecture)
	}
	out.Root, out.Config, out.Layers = &root, doc.Config, doc.Layers
	for i := range out.Layers {
		if _, ok := r.blobs[out.Layers[i].Digest]; !ok {
			return fmt.Errorf("layer %d, %s, is missing from the engine's archive", i+1, out.Layers[i].Digest)
		}
	}
	return nil
}
