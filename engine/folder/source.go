package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// NewSource finds the requested images in the folder dir: by name, or by the
// start of the digest of their manifest or config, of four digits at least.
// platform picks one of an image with several; nil: all that is present.
func NewSource(ctx context.Context, dir string, reqs []engine.Request, platform *ocispec.Platform) (*layout.Source, error) {
	if len(reqs) == 0 {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: errors.New("no image named")}
	}
	index, err := readIndex(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is not an OCI image layout", dir),
			Hint: "imgrecv --store makes one"}
	}
	if err != nil {
		return nil, failed("read "+dir, err)
	}
	f := &finder{dir: dir, index: index, at: map[digest.Digest]int{}, owner: map[string]digest.Digest{}}
	f.reader = &layout.Reader{Blobs: blobs(dir), Platform: platform}
	for _, r := range reqs {
		if err := f.take(ctx, r); err != nil {
			return nil, err
		}
	}
	return layout.NewSource(blobs(dir), f.items, nil), nil
}

type finder struct {
	dir    string
	index  ocispec.Index
	reader *layout.Reader
	items  []layout.Item
	at     map[digest.Digest]int
	owner  map[string]digest.Digest
}

// take adds the image that a request is for.
func (f *finder) take(ctx context.Context, r engine.Request) error {
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
		one := layout.NewIndex()
		one.Manifests = []ocispec.Descriptor{{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}}
		items, err := f.reader.Read(ctx, one)
		if err != nil {
			return failed("read "+r.Image, err)
		}
		if len(items) != 1 {
			return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is not an image that can run", r.Image)}
		}
		i = len(f.items)
		f.at[root.Digest] = i
		f.items = append(f.items, items[0])
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

// find returns the image that a name or a digest stands for, and its name on
// arrival, which one found by digest has not.
func (f *finder) find(ctx context.Context, image string) (ocispec.Descriptor, string, error) {
	want, nameErr := layout.ShortName(image)
	var names []string
	for _, d := range f.index.Manifests {
		name, err := layout.NameOf(d)
		if err != nil || name == "" {
			continue
		}
		if name == want {
			return d, name, nil
		}
		names = append(names, name)
	}
	hex := strings.TrimPrefix(image, "sha256:")
	if len(hex) >= 4 && strings.Trim(hex, "0123456789abcdef") == "" {
		found := map[digest.Digest]ocispec.Descriptor{}
		for _, d := range f.index.Manifests {
			if strings.HasPrefix(d.Digest.Encoded(), hex) || strings.HasPrefix(f.config(ctx, d).Encoded(), hex) {
				found[d.Digest] = d
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
	err := &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("no image %s in %s", image, f.dir)}
	switch near := engine.Nearest(image, names); {
	case len(near) > 0:
		err.Hint = "did you mean " + strings.Join(near, " or ") + "?"
	case len(f.index.Manifests) == 0:
		err.Hint = "that folder has no images at all"
	}
	return ocispec.Descriptor{}, "", err
}

// config returns the config's digest of an image, as far as it can be read; of
// none it is one that no digits match.
func (f *finder) config(ctx context.Context, d ocispec.Descriptor) digest.Digest {
	one := layout.NewIndex()
	one.Manifests = []ocispec.Descriptor{{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}}
	items, err := (&layout.Reader{Blobs: blobs(f.dir), Delta: true}).Read(ctx, one)
	if err != nil || len(items) != 1 {
		return "sha256:"
	}
	return items[0].Config
}
