package layout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxDepth bounds how far indexes nest.
const maxDepth = 4

// A Reader reads the images of a layout.
type Reader struct {
	Blobs Blobs
	// Platform picks one of an image with several; nil: all that is present.
	Platform *ocispec.Platform
	// Layers, if not nil, picks the one of several with these DiffIDs.
	Layers []digest.Digest
	// Arch is the architecture to prefer of several; empty: this program's.
	Arch string
	// Delta: layers may be missing.
	Delta bool

	left []string // what Read left out, one line each
	size int      // of the documents that were read
}

// Image returns the image whose manifest or index is root, without a name. It
// returns [ErrNoImage] for what cannot run, such as an attestation.
func (r *Reader) Image(ctx context.Context, root ocispec.Descriptor) (*Item, error) {
	return r.item(ctx, root)
}

// Read returns the images that an index.json lists, each once. Names that they
// have there are theirs, also what cannot be a name: a sink refuses that. It leaves out
// everything else, such as signatures and charts, and images for another platform than
// the one that is picked, if there are some for that: see [Reader.Left].
func (r *Reader) Read(ctx context.Context, index ocispec.Index) ([]Item, error) {
	var items []Item
	var other error // the first of what is for another platform
	at := map[digest.Digest]int{}
	for _, d := range index.Manifests {
		i, ok := at[d.Digest]
		if !ok {
			item, err := r.item(ctx, d)
			elsewhere := errors.Is(err, errElsewhere)
			if elsewhere && other == nil {
				other = err
			}
			if elsewhere || errors.Is(err, ErrNoImage) {
				at[d.Digest] = leftOut
				r.left = append(r.left, titleOf(d)+" is left out: "+err.Error())
				continue
			}
			if err != nil {
				return nil, err
			}
			if len(items) == transfer.MaxImages {
				return nil, transfer.Broken("more than %d images", transfer.MaxImages)
			}
			i = len(items)
			at[d.Digest] = i
			items = append(items, *item)
		}
		if i == leftOut {
			continue
		}
		// What is not a name may still be replaced by another.
		if name, _ := NameOf(d); name != "" && !slices.Contains(items[i].Refs, name) {
			items[i].Refs = append(items[i].Refs, name)
		}
	}
	if len(items) == 0 && other != nil {
		return nil, other
	}
	return items, Unique(items)
}

// Unique reports a name that two images have.
func Unique(items []Item) error {
	owner := map[string]*Item{}
	for i := range items {
		m := &items[i]
		for _, ref := range m.Refs {
			prev := owner[ref]
			owner[ref] = m
			if prev == nil || prev.ID == m.ID {
				continue
			}
			err := &transfer.Error{Kind: transfer.KindBroken, Err: fmt.Errorf("two manifests have the name %s: %s and %s", ref, prev.ID, m.ID)}
			if a, b := PlatformText(prev.Platform), PlatformText(m.Platform); a != b {
				err.Hint = fmt.Sprintf("--platform picks one: %s or %s", a, b)
			}
			return err
		}
	}
	return nil
}

// errElsewhere says that an image is not there for the wanted platform. Errors wrap
// it.
var errElsewhere = errors.New("not here for")

// leftOut is the place of what is no image.
const leftOut = -1

// Left says what [Reader.Read] left out, one line each.
func (r *Reader) Left() []string { return r.left }

// titleOf returns what to call an entry of index.json: its reference, or its
// digest.
func titleOf(d ocispec.Descriptor) string {
	return transfer.Printable(cmp.Or(d.Annotations[NameAnnotation], d.Annotations[ocispec.AnnotationRefName], d.Digest.String()))
}

// ErrNoImage says that a manifest is not that of an image which can run. Errors
// wrap it.
var ErrNoImage = errors.New("not an image that can run")

// noImage is the error for a manifest whose config or layers have another media
// type than those of images; empty where that is not the reason.
func noImage(mediaType string) error {
	if mediaType == "" {
		return ErrNoImage
	}
	return fmt.Errorf("%w but %.100s", ErrNoImage, transfer.Printable(mediaType))
}

// document reads a manifest, an index or a config, and checks its digest.
func (r *Reader) document(ctx context.Context, d digest.Digest, what string, v any) error {
	if err := d.Validate(); err != nil {
		return transfer.Broken("%s %.80q: %w", what, d, err)
	}
	size, ok := r.Blobs.Size(d)
	if !ok {
		return transfer.Broken("%s %s is missing", what, d)
	}
	if size > MaxDocument {
		return transfer.Broken("%s %s of %d bytes is over the limit of %d", what, d, size, MaxDocument)
	}
	if r.size += int(size); r.size > MaxDocuments {
		return transfer.Broken("more than %d bytes of manifests and configs", MaxDocuments)
	}
	f, err := r.Blobs.Open(ctx, d)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxDocument+1))
	if err != nil {
		return err
	}
	if d.Algorithm().FromBytes(b) != d {
		return transfer.Broken("%s %s has another digest than it should", what, d)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return transfer.Broken("%s %s: %w", what, d, err)
	}
	return nil
}

// A branch is one manifest below a root.
type branch struct {
	desc     ocispec.Descriptor
	doc      Document
	platform ocispec.Platform
	diffIDs  []digest.Digest
	missing  int // of the layers; the number of the first from 1
}

type walk struct {
	r        *Reader
	branches []branch
	blobs    []ocispec.Descriptor // other than layers; the root is the last
	absent   []string
	artifact string // the media type of one that is no image
	seen     map[digest.Digest]bool
}

func (r *Reader) item(ctx context.Context, root ocispec.Descriptor) (*Item, error) {
	w := &walk{r: r, seen: map[digest.Digest]bool{}}
	if err := w.down(ctx, root, maxDepth); err != nil {
		return nil, err
	}
	b := w.choose()
	if b == nil && r.Platform != nil && len(w.branches) > 0 {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is %w %s", root.Digest, errElsewhere, PlatformText(*r.Platform)),
			Hint: "it is here for " + strings.Join(w.platforms(), ", ")}
	}
	if b == nil {
		return nil, noImage(w.artifact)
	}
	if r.Platform != nil && len(w.branches) > 1 {
		root = b.desc // the one manifest instead of all
		alone := &walk{r: r, seen: map[digest.Digest]bool{}}
		if err := alone.down(ctx, root, 1); err != nil {
			return nil, err
		}
		w = alone
	}
	if b.missing > 0 && !r.Delta {
		return nil, transfer.Broken("layer %d of %s, %s, is missing", b.missing, root.Digest, b.doc.Layers[b.missing-1].Digest)
	}
	size, _ := r.Blobs.Size(root.Digest)
	root = ocispec.Descriptor{MediaType: w.blobs[len(w.blobs)-1].MediaType, Digest: root.Digest, Size: size}
	m := &Item{Absent: w.absent}
	m.ID, m.Root, m.Config, m.Platform = root.Digest, root.Digest, b.doc.Config.Digest, b.platform
	m.Index = transfer.IndexImage{ID: root.Digest, Root: &root, Config: b.doc.Config, Layers: b.doc.Layers}
	for i, l := range b.doc.Layers {
		m.Layers = append(m.Layers, transfer.Layer{DiffID: b.diffIDs[i], Digest: l.Digest, Size: l.Size, Exact: true})
	}
	m.Blobs = w.all(b)
	for _, d := range m.Blobs {
		if !slices.ContainsFunc(b.doc.Layers, func(l ocispec.Descriptor) bool { return l.Digest == d.Digest }) {
			m.Extra += d.Size
		}
	}
	return m, nil
}

// all returns the blobs that are there: configs, manifests and indexes, then the
// layers of b, then those of others.
func (w *walk) all(b *branch) []ocispec.Descriptor {
	var out []ocispec.Descriptor
	added := map[digest.Digest]bool{}
	add := func(d ocispec.Descriptor) {
		size, ok := w.r.Blobs.Size(d.Digest)
		if !ok || added[d.Digest] {
			return
		}
		added[d.Digest] = true
		out = append(out, ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: size})
	}
	for _, d := range w.blobs {
		add(d)
	}
	for _, l := range b.doc.Layers {
		add(l)
	}
	for i := range w.branches {
		for _, l := range w.branches[i].doc.Layers {
			add(l)
		}
	}
	return out
}

// down reads what a descriptor stands for, and what is below it.
func (w *walk) down(ctx context.Context, d ocispec.Descriptor, depth int) error {
	if depth == 0 {
		return transfer.Broken("indexes are nested more than %d deep", maxDepth)
	}
	if w.seen[d.Digest] {
		return nil
	}
	w.seen[d.Digest] = true
	if d.MediaType != "" && !slices.Contains(documentTypes, d.MediaType) {
		w.artifact = d.MediaType
		w.blobs = append(w.blobs, d)
		return nil
	}
	var doc Document
	if err := w.r.document(ctx, d.Digest, "manifest", &doc); err != nil {
		return err
	}
	if d.MediaType == "" {
		d.MediaType = doc.mediaType()
	}
	for _, c := range doc.Manifests {
		if _, here := w.r.Blobs.Size(c.Digest); !here {
			w.absent = append(w.absent, PlatformOrDigest(c))
			continue
		}
		if err := w.down(ctx, c, depth-1); err != nil {
			return err
		}
	}
	if len(doc.Manifests) == 0 {
		if err := w.manifest(ctx, d, doc); err != nil {
			return err
		}
	}
	w.blobs = append(w.blobs, d)
	return nil
}

// platforms returns the platforms that are here.
func (w *walk) platforms() []string {
	var out []string
	for i := range w.branches {
		out = append(out, PlatformText(w.branches[i].platform))
	}
	return out
}

// manifest notes a manifest as a branch, if it is that of an image that can run.
func (w *walk) manifest(ctx context.Context, d ocispec.Descriptor, doc Document) error {
	if doc.Config.Digest == "" {
		return transfer.Broken("manifest %s lists neither a config nor manifests", d.Digest)
	}
	if len(doc.Layers) > transfer.MaxLayers {
		return transfer.Broken("manifest %s has %d layers, over the limit of %d", d.Digest, len(doc.Layers), transfer.MaxLayers)
	}
	w.blobs = append(w.blobs, doc.Config)
	if artifact := doc.artifact(); artifact != "" {
		w.artifact = artifact
		w.blobs = append(w.blobs, doc.Layers...)
		return nil
	}
	var config Config
	if err := w.r.document(ctx, doc.Config.Digest, "config", &config); err != nil {
		return err
	}
	b := branch{desc: d, doc: doc, platform: config.Platform(), diffIDs: config.RootFS.DiffIDs}
	if d.Platform != nil && !named(b.platform) {
		b.platform = *d.Platform
	}
	attested := d.Annotations["vnd.docker.reference.type"] != "" || config.OS == "unknown"
	if attested || len(b.diffIDs) == 0 && len(doc.Layers) > 0 {
		w.blobs = append(w.blobs, doc.Layers...)
		return nil
	}
	if len(b.diffIDs) != len(doc.Layers) {
		return transfer.Broken("manifest %s has %d layers, its config %d", d.Digest, len(doc.Layers), len(b.diffIDs))
	}
	for i, l := range doc.Layers {
		for _, id := range []digest.Digest{l.Digest, b.diffIDs[i]} {
			if err := id.Validate(); err != nil {
				return transfer.Broken("layer %d of %s, %.80q: %w", i+1, d.Digest, id, err)
			}
		}
		size, here := w.r.Blobs.Size(l.Digest)
		switch {
		case !here && b.missing == 0:
			b.missing = i + 1
		case here && size != l.Size:
			return transfer.Broken("layer %d of %s has %d bytes, not %d", i+1, d.Digest, size, l.Size)
		}
	}
	w.branches = append(w.branches, b)
	return nil
}

// choose returns the branch that describes the image: the one with the wanted
// layers, of the wanted platform, or of the preferred architecture, or the first;
// complete ones before others. An image that does not say its platform is of any,
// if it is the only one.
func (w *walk) choose() *branch {
	var best *branch
	score := -1
	for i := range w.branches {
		b := &w.branches[i]
		only := len(w.branches) == 1 && !named(b.platform)
		if p := w.r.Platform; p != nil && !only && !Matches(b.platform, *p) {
			continue
		}
		n := 0
		if w.r.Layers != nil && slices.Equal(b.diffIDs, w.r.Layers) {
			n += 4
		}
		if b.missing == 0 {
			n += 2
		}
		if b.platform.Architecture == cmp.Or(w.r.Arch, runtime.GOARCH) {
			n++
		}
		if n > score {
			best, score = b, n
		}
	}
	return best
}
