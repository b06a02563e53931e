package savetar

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
	"strings"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Format is one of the tars that an engine's save writes.
type Format int

// The formats. Docker's classic store has two, which are told apart by their
// members.
const (
	Classic Format = iota
	Content        // of a containerd store: its blobs as they are, under their manifests
	Podman
)

// A Reader turns the tar that an engine's save writes into blobs. The members of
// all formats come in an order of their own, metadata last:
//
//	Docker ≥ 25, containerd store   blobs/sha256/<digest>, index.json, manifest.json
//	Docker < 25                     <v1 ID>/{VERSION,json,layer.tar}, <config>.json, manifest.json
//	Podman                          <DiffID>.tar, <config>.json, manifest.json
type Reader struct {
	format Format
	w      transfer.BlobWriter
	drop   map[digest.Digest]bool
	wanted map[digest.Digest]bool // nil: every blob
	v1     *v1Layers

	blobs map[digest.Digest]ocispec.Descriptor // that the archive has, dropped ones included
	docs  *layout.Documents
	list  []layout.DockerImage // manifest.json
}

// NewReader returns a reader of one save of the images. It puts their blobs into w,
// but for those in drop.
func NewReader(f Format, images []*transfer.Image, drop map[digest.Digest]bool, w transfer.BlobWriter) *Reader {
	r := &Reader{format: f, w: w, drop: drop, blobs: map[digest.Digest]ocispec.Descriptor{}, docs: layout.NewDocuments()}
	r.v1 = &v1Layers{}
	if f == Classic {
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

// Read reads a save to its end. Errors of w come back as they are; any other is
// the engine's fault.
func (r *Reader) Read(ctx context.Context, body io.Reader) error {
	tr := tar.NewReader(body)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return r.ended(body)
		}
		if err != nil {
			return Truncated(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue // folders; links to layers that have a member of their own
		}
		if err := r.member(ctx, h, tr); err != nil {
			return Truncated(err)
		}
	}
}

// ended reads what follows the archive: an engine that fails late may say so
// there, under HTTP 200.
func (r *Reader) ended(body io.Reader) error {
	rest, err := io.ReadAll(io.LimitReader(body, 64<<10))
	if err != nil {
		return Truncated(err)
	}
	if msg := bytes.Trim(rest, "\x00 \r\n"); len(msg) > 0 && msg[0] == '{' {
		return fmt.Errorf("the engine said at the end: %.500s", msg)
	}
	if r.list == nil && r.format != Content {
		return errors.New("the engine's archive ends without a manifest.json")
	}
	return nil
}

// Truncated returns err in words if it is that of a tar which ends early.
func Truncated(err error) error {
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

func (r *Reader) member(ctx context.Context, h *tar.Header, body io.Reader) error {
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
func (r *Reader) digest(name string) (digest.Digest, bool) {
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
func (r *Reader) blob(ctx context.Context, d digest.Digest, h *tar.Header, body io.Reader) error {
	br := bufio.NewReaderSize(body, layout.SniffLen)
	head, err := br.Peek(int(min(h.Size, int64(layout.SniffLen))))
	if err != nil {
		return err
	}
	desc := ocispec.Descriptor{MediaType: layout.Sniff(head), Digest: d, Size: h.Size}
	switch {
	case strings.HasSuffix(h.Name, ".json"):
		desc.MediaType = ocispec.MediaTypeImageConfig
	case desc.MediaType == ocispec.MediaTypeImageConfig && h.Size > layout.MaxDocument:
		desc.MediaType = "" // an attestation: a config is never that large
	}
	r.blobs[d] = desc
	if r.drop[d] || r.wanted != nil && !r.wanted[d] {
		return nil
	}
	var src io.Reader = &wholeReader{br, h.Size}
	if r.format == Content && len(head) > 0 && head[0] == '{' && h.Size <= layout.MaxDocument {
		b, err := io.ReadAll(src)
		if err != nil {
			return err
		}
		if err := r.docs.Add(d, b); err != nil {
			return err
		}
		src = bytes.NewReader(b)
	}
	return r.w.Put(ctx, desc, src)
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
		err = &transfer.Error{Kind: transfer.KindEngine, Op: "save", Err: Truncated(io.ErrUnexpectedEOF)}
	}
	return n, err
}

// Index says how the blobs make up the image, after Read.
func (r *Reader) Index(m *transfer.Image) (*transfer.IndexImage, error) {
	out := &transfer.IndexImage{ID: m.ID}
	if r.format == Content {
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
func (r *Reader) rewritten(a layout.DockerImage, m *transfer.Image) bool {
	if r.format != Podman || len(a.Layers) != len(m.Layers) {
		return false
	}
	for i, name := range a.Layers {
		if d, ok := r.digest(name); !ok || d != m.Layers[i].DiffID {
			return false
		}
	}
	return true
}

func (r *Reader) indexManifest(m *transfer.Image, out *transfer.IndexImage) error {
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
