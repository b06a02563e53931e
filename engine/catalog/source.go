package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// NewSource finds the requested images among the entries: by name, by name and
// digest, or by the start of the digest of their manifest or config, of four digits
// at least.
// platform picks one of an image with several; nil: all that is present. where is
// how errors call the store.
func NewSource(ctx context.Context, blobs layout.Blobs, list []Entry, where string, reqs []store.Request, platform *ocispec.Platform) (*layout.Source, error) {
	if len(reqs) == 0 {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: errors.New("no image named")}
	}
	f := &finder{where: where, blobs: blobs, list: list, at: map[digest.Digest]int{}, owner: map[string]digest.Digest{}}
	f.reader = &layout.Reader{Blobs: blobs, Platform: platform}
	var search store.Search
	for _, r := range reqs {
		if err := search.Note(f.take(ctx, r)); err != nil {
			return nil, err
		}
	}
	if err := search.Err(); err != nil {
		return nil, err
	}
	if len(f.items) == 0 {
		return nil, store.NothingRuns(where)
	}
	s := layout.NewSource(blobs, f.items, nil)
	s.Note(append(f.left, f.nameless()...)...)
	if err := store.CheckLimits(s.Images()); err != nil {
		return nil, err
	}
	return s, nil
}

type finder struct {
	where  string
	blobs  layout.Blobs
	list   []Entry
	reader *layout.Reader
	items  []layout.Item
	asked  []string // for each item, as it was asked for
	left   []string // what was left out, one line each
	at     map[digest.Digest]int
	owner  map[string]digest.Digest
}

// nameless returns notes for the images that arrive without a name.
func (f *finder) nameless() []string {
	var out []string
	for i := range f.items {
		if len(f.items[i].Refs) > 0 {
			continue
		}
		var here []string
		for _, e := range f.list {
			if at, ok := f.at[e.Root.Digest]; ok && at == i && e.Name != "" {
				here = append(here, e.Name)
			}
		}
		out = append(out, store.Nameless(f.asked[i], here))
	}
	return out
}

// take adds the requested image.
func (f *finder) take(ctx context.Context, r store.Request) error {
	root, name, err := f.find(ctx, r.Image)
	if err != nil {
		return err
	}
	if r.As != "" {
		if name, err = layout.ShortName(r.As); err != nil || name == "" {
			return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%q is not a name to give to an image", r.As)}
		}
	}
	i, ok := f.at[root.Digest]
	if !ok {
		items, err := f.reader.Read(ctx, alone(root))
		if transfer.KindOf(err) == transfer.KindBroken {
			return &transfer.Error{Kind: transfer.KindEngine, Op: "read " + r.Image, Err: err, Hint: "the image is incomplete in " + f.where}
		}
		if err != nil {
			return store.Failed("read "+r.Image, err)
		}
		if len(items) != 1 && r.Listed {
			f.left = append(f.left, store.LeftOut(r.Image))
			return nil
		}
		if len(items) != 1 {
			return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is %w", r.Image, layout.ErrNoImage)}
		}
		i = len(f.items)
		f.at[root.Digest] = i
		f.items = append(f.items, items[0])
		f.asked = append(f.asked, r.Image)
	}
	if name == "" {
		return nil
	}
	if prev, taken := f.owner[name]; taken {
		if prev != root.Digest {
			return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("two different images cannot both arrive as %s", name)}
		}
		return nil
	}
	f.owner[name] = root.Digest
	f.items[i].Refs = append(f.items[i].Refs, name)
	return nil
}

// find returns the image with a name or a digest, and its name on arrival, which is empty
// for one that is found by its digest.
func (f *finder) find(ctx context.Context, image string) (ocispec.Descriptor, string, error) {
	want, nameErr := layout.ShortName(image)
	var names []string
	for _, e := range f.list {
		if e.Name == "" {
			continue
		}
		if e.Name == want {
			return e.Root, e.Name, nil
		}
		names = append(names, e.Name)
	}
	if root, ok := f.byDigest(image); ok {
		return root, "", nil
	}
	hex := strings.TrimPrefix(image, "sha256:")
	if len(hex) >= 4 && strings.Trim(hex, "0123456789abcdef") == "" {
		found := map[digest.Digest]ocispec.Descriptor{}
		for _, e := range f.list {
			if strings.HasPrefix(e.Root.Digest.Encoded(), hex) || strings.HasPrefix(f.config(ctx, e.Root).Encoded(), hex) {
				found[e.Root.Digest] = e.Root
			}
		}
		if len(found) > 1 {
			return ocispec.Descriptor{}, "", &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is the start of %d images' digests", image, len(found))}
		}
		for _, d := range found {
			return d, "", nil
		}
	} else if nameErr != nil {
		return ocispec.Descriptor{}, "", &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%q is not an image name", image)}
	}
	err := store.Missing(image, f.where, names)
	if len(f.list) == 0 {
		err.Hint = f.where + " has no images at all"
	}
	return ocispec.Descriptor{}, "", err
}

// byDigest finds an image by its repository's name and the digest of its root, as
// "webapp@sha256:0bc4…". One that is listed without a name is in any repository.
func (f *finder) byDigest(image string) (ocispec.Descriptor, bool) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return ocispec.Descriptor{}, false
	}
	want, ok := named.(reference.Digested)
	if !ok {
		return ocispec.Descriptor{}, false
	}
	for _, e := range f.list {
		if e.Root.Digest != want.Digest() {
			continue
		}
		has, err := reference.ParseNormalizedNamed(e.Name)
		if err != nil || has.Name() == named.Name() {
			return e.Root, true
		}
	}
	return ocispec.Descriptor{}, false
}

// config returns the config's digest of an image, as far as it can be read; of
// none it is one that no digits match.
func (f *finder) config(ctx context.Context, d ocispec.Descriptor) digest.Digest {
	items, err := (&layout.Reader{Blobs: f.blobs, Delta: true}).Read(ctx, alone(d))
	if err != nil || len(items) != 1 {
		return "sha256:"
	}
	return items[0].Config
}
