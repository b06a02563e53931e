package archive

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// source makes a source of what the members are. Where an archive has both,
// index.json decides: it has the images as they are, manifest.json as Docker's
// classic store sees them.
func (m *members) source(ctx context.Context, o Options) (*layout.Source, error) {
	_, index := m.byName[ocispec.ImageIndexFile]
	_, docker := m.byName[layout.DockerManifestFile]
	switch {
	case !m.nonZero && m.cut != nil, m.cut != nil && (m.rootFS || !index && !docker):
		return nil, m.cut // what lists all there is has no need of the end mark
	case !m.nonZero:
		return nil, transfer.Broken("the archive is empty")
	case m.around() != "":
		return nil, hinted(fmt.Sprintf("tar -C %s -cf FILE .", m.around()), "an archive of images that was packed with the folder %s around it", m.around())
	case m.rootFS, !index && !docker && !m.image:
		return m.rootFile(ctx, o)
	case !index && !docker && m.v1():
		return nil, hinted("load it into a Docker that still can, and save it again there", "an archive of Docker 1.9 or older, without a manifest.json: too old a format")
	case !index && !docker:
		return nil, transfer.Broken("an archive of images without its index.json or manifest.json: it is not whole")
	case m.escape != "":
		return nil, transfer.Broken("the link %.300q leads out of the archive", m.escape)
	}
	var list []layout.DockerImage
	if docker {
		if err := m.decode(layout.DockerManifestFile, &list); err != nil {
			return nil, err
		}
	}
	var items []layout.Item
	var delta *string
	var left []string
	var err error
	if index {
		items, delta, left, err = m.indexed(ctx, o, list)
	} else {
		items, err = m.listed(ctx, o, list)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case len(items) == 0 && len(left) > 0:
		return nil, transfer.Broken("the archive has no image: %s", strings.Join(left[:min(len(left), 3)], "; "))
	case len(items) == 0:
		return nil, transfer.Broken("the archive lists no image")
	}
	s := layout.NewSource(m, items, delta)
	s.Note(left...)
	return s, nil
}

// hinted is [transfer.Broken] with a hint.
func hinted(hint, format string, args ...any) error {
	return &transfer.Error{Kind: transfer.KindBroken, Err: fmt.Errorf(format, args...), Hint: hint}
}

// v1 reports whether the archive is one of Docker before 1.10: images by a v1 ID,
// listed in repositories.
func (m *members) v1() bool {
	_, ok := m.byName["repositories"]
	return ok
}

func (m *members) decode(name string, v any) error {
	b, err := m.whole(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return transfer.Broken("%s: %w", name, err)
	}
	return nil
}

// indexed returns the images of index.json, for which host layers were left out of
// them, and what is left out here since it is no image. Images without a name there
// have those of manifest.json.
func (m *members) indexed(ctx context.Context, o Options, list []layout.DockerImage) (items []layout.Item, delta *string, left []string, err error) {
	var index ocispec.Index
	if err := m.decode(ocispec.ImageIndexFile, &index); err != nil {
		return nil, nil, nil, err
	}
	if whom, ok := index.Annotations[DeltaAnnotation]; ok {
		delta = &whom
	}
	r := &layout.Reader{Blobs: m, Platform: o.Platform, Delta: delta != nil}
	if items, err = r.Read(ctx, index); err != nil {
		return nil, nil, nil, err
	}
	for i := range items {
		item := &items[i]
		for _, d := range list {
			if len(item.Refs) > 0 || path.Clean(d.Config) != layout.BlobPath(item.Config) {
				continue
			}
			if item.Refs, err = refs(d.RepoTags); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	return items, delta, r.Left(), layout.Unique(items)
}

// untagged is what Docker calls an image without a name.
const untagged = "<none>:<none>"

// refs returns names in their short form, and what cannot be a name as it is.
func refs(tags []string) ([]string, error) {
	if len(tags) > transfer.MaxRefs {
		return nil, transfer.Broken("an image with %d names, over the limit of %d", len(tags), transfer.MaxRefs)
	}
	var out []string
	for _, t := range tags {
		if t == "" || t == untagged {
			continue
		}
		// What is not a name may still be replaced by another.
		if name, _ := layout.ShortName(t); name != "" {
			out = append(out, name)
		}
	}
	return out, nil
}

// listed returns the images of Docker's manifest.json. The same image may be
// there more than once.
func (m *members) listed(ctx context.Context, o Options, list []layout.DockerImage) ([]layout.Item, error) {
	var items []layout.Item
	at := map[digest.Digest]int{}
	hashed := map[member]digest.Digest{}
	var others []string // platforms that are not wanted
	size := 0
	for _, d := range list {
		item, n, err := m.docker(ctx, d, o.MaxSpool, hashed)
		if err != nil {
			return nil, err
		}
		if size += n; size > layout.MaxDocuments {
			return nil, transfer.Broken("more than %d bytes of configs", layout.MaxDocuments)
		}
		if p := o.Platform; p != nil && layout.PlatformText(item.Platform) != "" && !layout.Matches(item.Platform, *p) {
			others = append(others, layout.PlatformText(item.Platform))
			continue
		}
		if i, ok := at[item.ID]; ok {
			items[i].Refs = append(items[i].Refs, item.Refs...)
			continue
		}
		if len(items) == transfer.MaxImages {
			return nil, transfer.Broken("more than %d images", transfer.MaxImages)
		}
		at[item.ID] = len(items)
		items = append(items, *item)
	}
	if len(items) == 0 && len(others) > 0 {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("the archive has no image for %s", layout.PlatformText(*o.Platform)),
			Hint: "it has one for " + strings.Join(others, ", ")}
	}
	return items, layout.Unique(items)
}

var hexName = regexp.MustCompile(`^(?:sha256:)?([0-9a-f]{64})(?:\.json)?$`)

// docker returns one image of manifest.json, and the size of its config.
func (m *members) docker(ctx context.Context, d layout.DockerImage, maxUnpacked int64, hashed map[member]digest.Digest) (*layout.Item, int, error) {
	b, err := m.whole(d.Config)
	if err != nil {
		return nil, 0, err
	}
	var config layout.Config
	if err := json.Unmarshal(b, &config); err != nil {
		return nil, 0, transfer.Broken("config %s: %w", d.Config, err)
	}
	id := digest.FromBytes(b)
	if n := hexName.FindStringSubmatch(path.Base(d.Config)); n != nil && n[1] != id.Encoded() {
		return nil, 0, transfer.Broken("config %s has another digest than its name says, %s", d.Config, id)
	}
	diffIDs := config.RootFS.DiffIDs
	if len(diffIDs) != len(d.Layers) || len(diffIDs) > transfer.MaxLayers {
		return nil, 0, transfer.Broken("%s has %d layers, its config %d", d.Config, len(d.Layers), len(diffIDs))
	}
	item := &layout.Item{}
	item.ID, item.Config = id, id
	item.Platform = config.Platform()
	if item.Refs, err = refs(d.RepoTags); err != nil {
		return nil, 0, err
	}
	c, _ := m.file(d.Config)
	m.blobs[id] = c
	item.Index = transfer.IndexImage{ID: id, Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: id, Size: int64(len(b))}}
	for i, name := range d.Layers {
		if err := diffIDs[i].Validate(); err != nil {
			return nil, 0, transfer.Broken("layer %d of %s, %.80q: %w", i+1, item.Name(), diffIDs[i], err)
		}
		e, ok := m.file(name)
		if !ok {
			// Docker loads such an archive where the layer is. Its size is not known.
			item.Layers = append(item.Layers, transfer.Layer{DiffID: diffIDs[i], Digest: diffIDs[i]})
			item.Index.Layers = append(item.Index.Layers, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: diffIDs[i]})
			continue
		}
		desc, err := m.layer(ctx, e, diffIDs[i], maxUnpacked, hashed)
		if err != nil {
			return nil, 0, err
		}
		if _, ok := m.packed[desc.Digest]; !ok {
			m.blobs[desc.Digest] = e
		}
		item.Layers = append(item.Layers, transfer.Layer{DiffID: diffIDs[i], Digest: desc.Digest, Size: desc.Size})
		item.Index.Layers = append(item.Index.Layers, desc)
	}
	item.Blobs = append([]ocispec.Descriptor{item.Index.Config}, item.Index.Layers...)
	return item, len(b), nil
}

// layer describes a layer. What is not compressed has the DiffID as its digest;
// a compressed one has to be read for its own, once. One that is compressed with
// bzip2 or xz, which not all stores read, is described decompressed.
func (m *members) layer(ctx context.Context, e member, diffID digest.Digest, maxUnpacked int64, hashed map[member]digest.Digest) (ocispec.Descriptor, error) {
	head := make([]byte, min(e.size, 6))
	if _, err := io.ReadFull(m.open(e), head); err != nil {
		return ocispec.Descriptor{}, transfer.Broken("layer %s: %w", diffID, early(err))
	}
	desc := ocispec.Descriptor{MediaType: layout.Sniff(head), Digest: diffID, Size: e.size}
	if !strings.Contains(desc.MediaType, "+") {
		desc.MediaType = ocispec.MediaTypeImageLayer
		var err error
		if compressed(head) {
			desc.Size, err = m.unpack(ctx, e, diffID, maxUnpacked)
		}
		return desc, err
	}
	if d, ok := hashed[e]; ok {
		desc.Digest = d
		return desc, nil
	}
	d, err := digest.FromReader(&countingReader{ctx: ctx, r: m.open(e)})
	if err != nil {
		return desc, err
	}
	hashed[e] = d
	desc.Digest = d
	return desc, nil
}

// unpack has a layer decompressed when it is read, and returns its size then, for
// which it decompresses it once now. It must have the DiffID, and no more than limit
// bytes; 0: spoolFloor and spoolRatio bound it.
func (m *members) unpack(ctx context.Context, e member, diffID digest.Digest, limit int64) (int64, error) {
	if p, ok := m.packed[diffID]; ok {
		return p.size, nil
	}
	z, name, err := decompress(bufio.NewReader(m.open(e)))
	if err != nil {
		return 0, err
	}
	defer z.Close()
	if limit == 0 {
		limit = spoolFloor + spoolRatio*e.size
	}
	sum := diffID.Algorithm().Digester()
	n, err := io.Copy(sum.Hash(), io.LimitReader(&countingReader{ctx: ctx, r: &decodeReader{z, name}}, limit+1))
	switch {
	case err != nil:
		return 0, err
	case n > limit:
		return 0, transfer.Broken("layer %s decompresses to more than %d bytes from %d: not one that is meant to be read", diffID, limit, e.size)
	case sum.Digest() != diffID:
		return 0, transfer.Broken("layer %s, compressed with %s, is corrupt: it has the digest %s", diffID, name, sum.Digest())
	}
	m.packed[diffID] = packed{e, n}
	return n, nil
}
