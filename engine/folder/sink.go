package folder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"
)

// A Sink takes images into a folder.
type Sink struct {
	// NoClobber refuses names that stand for another image here.
	NoClobber bool

	dir   string
	blobs blobs
	store *oci.Storage
	// writes releases the lock that all who write here share.
	writes func()
	offer  *transfer.Offer
	plan   *transfer.Plan
	guard  *layout.Guard
	roots  map[digest.Digest]ocispec.Descriptor // by offered ID
}

var _ transfer.Sink = (*Sink)(nil)

// NewSink returns a sink into the folder dir, which it makes an OCI image layout
// if it does not exist or is empty. The caller must call Close.
func NewSink(dir string) (*Sink, error) {
	if err := prepare(dir); err != nil {
		return nil, failed("prepare "+dir, err)
	}
	store, err := oci.NewStorage(dir)
	if err != nil {
		return nil, failed("open "+dir, err)
	}
	writes, err := share(filepath.Join(dir, writersFile))
	if err != nil {
		return nil, failed("open "+dir, err)
	}
	return &Sink{dir: dir, blobs: blobs(dir), store: store, writes: writes}, nil
}

// Plan looks which images and layers the folder has.
func (s *Sink) Plan(ctx context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	index, err := readIndex(s.dir)
	if err != nil {
		return nil, failed("read "+s.dir, err)
	}
	s.offer, s.roots, s.guard = o, map[digest.Digest]ocispec.Descriptor{}, layout.NewGuard(o)
	s.plan = &transfer.Plan{Images: make([]transfer.ImagePlan, len(o.Images))}
	for i := range o.Images {
		m := &o.Images[i]
		for _, ref := range m.Refs {
			if _, err := layout.ShortName(ref); err != nil {
				return nil, &transfer.Error{Kind: transfer.KindRefused, Err: err}
			}
		}
		have := make([]bool, len(m.Layers))
		if !o.Full {
			if root, ok := s.whole(ctx, index, m); ok {
				s.roots[m.ID] = root
				s.plan.Images[i].Status = transfer.Whole
				if err := s.clobber(index, m, root.Digest); err != nil {
					return nil, err
				}
				continue
			}
			for j, l := range m.Layers {
				_, have[j] = s.blobs.Size(l.Digest)
			}
		}
		if err := s.clobber(index, m, ""); err != nil {
			return nil, err
		}
		s.plan.Images[i] = transfer.ImagePlan{Status: transfer.Take, Have: have}
	}
	return s.plan, nil
}

// whole finds an image that is here with everything: under its own root, or
// with its config where it came without one.
func (s *Sink) whole(ctx context.Context, index ocispec.Index, m *transfer.Image) (ocispec.Descriptor, bool) {
	for _, d := range index.Manifests {
		if m.Root != "" && d.Digest != m.Root {
			continue
		}
		one := layout.NewIndex()
		one.Manifests = []ocispec.Descriptor{{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}}
		items, err := (&layout.Reader{Blobs: s.blobs}).Read(ctx, one)
		if err != nil || len(items) != 1 {
			continue
		}
		if items[0].Config == m.Config && sameLayers(items[0].Layers, m.Layers) {
			return one.Manifests[0], true
		}
	}
	return ocispec.Descriptor{}, false
}

func sameLayers(a, b []transfer.Layer) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].DiffID != b[i].DiffID {
			return false
		}
	}
	return true
}

func (s *Sink) clobber(index ocispec.Index, m *transfer.Image, root digest.Digest) error {
	if !s.NoClobber {
		return nil
	}
	for _, ref := range m.Refs {
		if old := named(index, ref); old != "" && old != root && old != m.Root {
			return clobbers(ref, old)
		}
	}
	return nil
}

func clobbers(ref string, id digest.Digest) error {
	return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s is another image there, %s", ref, id.Encoded()[:12]),
		Hint: "send it under another name with --as"}
}

// named returns the root that has a name, or "".
func named(index ocispec.Index, ref string) digest.Digest {
	want, err := layout.ShortName(ref)
	if err != nil {
		return ""
	}
	for _, d := range index.Manifests {
		if n, err := layout.NameOf(d); err == nil && n == want {
			return d.Digest
		}
	}
	return ""
}

// Put writes a blob, unless it is here.
func (s *Sink) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	r, err := s.guard.Put(d, r)
	if err != nil {
		return err
	}
	body := &transfer.ErrorReader{R: r}
	err = s.store.Push(ctx, d, body)
	switch {
	case errors.Is(err, errdef.ErrAlreadyExists):
		_, err = io.Copy(io.Discard, r)
		return err
	case body.Err != nil:
		return body.Err
	case err != nil:
		return failed("write "+s.dir, err)
	}
	return nil
}

// Commit lists the images in index.json, when all their blobs are here and they
// are those that were offered.
func (s *Sink) Commit(ctx context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	if err := s.guard.Check(x); err != nil {
		return nil, err
	}
	n := 0
	for i := range s.offer.Images {
		m := &s.offer.Images[i]
		if s.plan.Images[i].Status != transfer.Take {
			continue
		}
		im := &x.Images[n]
		n++
		if gone := s.vanished(m, im, s.plan.Images[i].Have); gone != "" {
			return &transfer.Outcome{Retry: gone}, nil
		}
		root, err := s.root(ctx, im)
		if err != nil {
			return nil, err
		}
		if err := s.verify(ctx, m, im); err != nil {
			return nil, err
		}
		s.roots[m.ID] = root
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.list()
}

// vanished says which layer was here when the plan was made and is gone.
func (s *Sink) vanished(m *transfer.Image, im *transfer.IndexImage, have []bool) string {
	for j, l := range im.Layers {
		if _, here := s.blobs.Size(l.Digest); !here && have[j] {
			return fmt.Sprintf("layer %d of %s was here and is gone", j+1, m.Name())
		}
	}
	return ""
}

func (s *Sink) root(ctx context.Context, im *transfer.IndexImage) (ocispec.Descriptor, error) {
	if im.Root != nil {
		return ocispec.Descriptor{MediaType: im.Root.MediaType, Digest: im.Root.Digest, Size: im.Root.Size}, nil
	}
	b, d, err := layout.Compose(im)
	if err != nil {
		return d, err
	}
	return d, s.Put(ctx, d, bytes.NewReader(b))
}

// verify checks that all blobs are here and that the config is that of the
// offered layers.
func (s *Sink) verify(ctx context.Context, m *transfer.Image, im *transfer.IndexImage) error {
	for _, d := range append([]ocispec.Descriptor{im.Config}, im.Layers...) {
		if _, here := s.blobs.Size(d.Digest); !here {
			return broken("%s arrived without its blob %s", m.Name(), d.Digest)
		}
	}
	f, err := s.blobs.Open(ctx, im.Config.Digest)
	if err != nil {
		return failed("read "+s.dir, err)
	}
	defer f.Close()
	var config ocispec.Image
	if err := json.NewDecoder(io.LimitReader(f, layout.MaxDocument)).Decode(&config); err != nil {
		return broken("config of %s: %w", m.Name(), err)
	}
	same := len(config.RootFS.DiffIDs) == len(m.Layers)
	for i := 0; same && i < len(m.Layers); i++ {
		same = config.RootFS.DiffIDs[i] == m.Layers[i].DiffID
	}
	if !same {
		return broken("%s arrived with other layers than were offered", m.Name())
	}
	return nil
}

// list adds the images and their names to index.json.
func (s *Sink) list() (*transfer.Outcome, error) {
	unlock, err := lock(filepath.Join(s.dir, lockFile))
	if err != nil {
		return nil, failed("write "+s.dir, err)
	}
	defer unlock()
	index, err := readIndex(s.dir)
	if err != nil {
		return nil, failed("read "+s.dir, err)
	}
	out := &transfer.Outcome{}
	for i := range s.offer.Images {
		m := &s.offer.Images[i]
		root, ok := s.roots[m.ID]
		if !ok {
			continue
		}
		a := transfer.Arrival{ID: m.ID, New: root.Digest}
		for _, ref := range m.Refs {
			old := named(index, ref)
			if old != "" && old != root.Digest && s.NoClobber {
				return nil, clobbers(ref, old)
			}
			name := transfer.Name{Ref: ref}
			if old != root.Digest {
				name.Replaced = old
			}
			if err := give(&index, root, ref); err != nil {
				return nil, err
			}
			a.Names = append(a.Names, name)
		}
		if len(m.Refs) == 0 {
			add(&index, root)
		}
		out.Images = append(out.Images, a)
	}
	if err := replace(filepath.Join(s.dir, ocispec.ImageIndexFile), index); err != nil {
		return nil, failed("write "+s.dir, err)
	}
	return out, nil
}

// give makes ref the name of root. An image that loses its last name so stays,
// without one; root itself is listed without a name no longer.
func give(index *ocispec.Index, root ocispec.Descriptor, ref string) error {
	d, err := layout.Named(root, ref)
	if err != nil {
		return &transfer.Error{Kind: transfer.KindRefused, Err: err}
	}
	var loser *ocispec.Descriptor
	var kept []ocispec.Descriptor
	for _, e := range index.Manifests {
		name, err := layout.NameOf(e)
		switch {
		case err == nil && name == d.Annotations[ocispec.AnnotationRefName]:
			if e.Digest != root.Digest {
				loser = &ocispec.Descriptor{MediaType: e.MediaType, Digest: e.Digest, Size: e.Size, Platform: e.Platform}
			}
		case e.Digest == root.Digest && err == nil && name == "":
		default:
			kept = append(kept, e)
		}
	}
	kept = append(kept, d)
	index.Manifests = kept
	if loser != nil {
		add(index, *loser)
	}
	return nil
}

// add lists an image without a name, unless it is listed.
func add(index *ocispec.Index, root ocispec.Descriptor) {
	for _, e := range index.Manifests {
		if e.Digest == root.Digest {
			return
		}
	}
	index.Manifests = append(index.Manifests, root)
}

// Close removes half-written blobs, its own and those of killed programs, unless
// somebody else is writing just now: then that one does it. Content/oci leaves
// the temporary file of a blob that fails (seen on 2.7.0). Whole blobs that no
// image lists stay, for the next time.
func (s *Sink) Close(error) error {
	if s.writes == nil {
		return nil
	}
	s.writes()
	s.writes = nil
	unlock, err := try(filepath.Join(s.dir, writersFile))
	if err != nil {
		return nil
	}
	defer unlock()
	return os.RemoveAll(filepath.Join(s.dir, "ingest"))
}
