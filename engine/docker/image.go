package docker

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/engine/docker/libpod"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// familiar is the short form of a name: what the user would type.
func familiar(s string) (string, error) {
	n, err := store.ParseName(s)
	if err != nil {
		return "", &transfer.Error{Kind: transfer.KindUsage, Err: err}
	}
	return reference.FamiliarString(n), nil
}

// A local is an image that the engine has.
type local struct {
	inspect  image.InspectResponse
	id       digest.Digest
	asked    string            // what the request called it
	listed   bool              // see [store.Request]
	platform *ocispec.Platform // the one to read of an image with several; nil: all
	sized    bool              // whether the sizes of its layers are exact
	note     string            // what its user may not expect, or empty
}

func (l *local) diffIDs() []digest.Digest {
	ids := make([]digest.Digest, len(l.inspect.RootFS.Layers))
	for i, s := range l.inspect.RootFS.Layers {
		ids[i] = digest.Digest(s)
	}
	return ids
}

// find returns the image that the engine knows by a name, ID or digest.
// errdefs.IsNotFound is true of its error if there is none.
func (e *Engine) find(ctx context.Context, name string) (*local, error) {
	return e.inspect(ctx, name)
}

// findPlatform is find with the layers that one platform of the image has; a
// containerd store shows those of the one that suits its host best otherwise.
func (e *Engine) findPlatform(ctx context.Context, name string, p ocispec.Platform) (*local, error) {
	l, err := e.find(ctx, name)
	if err != nil || !e.keepsBlobs || versions.LessThan(e.version, inspectPlatformAPI) || layout.PlatformText(p) == "" || layout.Matches(platformOf(l), p) {
		return l, err
	}
	one, err := e.inspect(ctx, name, client.ImageInspectWithPlatform(&p))
	if err != nil {
		return nil, err
	}
	one.id = l.id
	return one, nil
}

// inspectPlatformAPI is the first API version whose inspect takes a platform.
const inspectPlatformAPI = "1.49"

func (e *Engine) inspect(ctx context.Context, name string, opts ...client.ImageInspectOption) (*local, error) {
	in, err := e.api.ImageInspect(ctx, name, opts...)
	if err != nil {
		return nil, err
	}
	id := digest.Digest(in.ID)
	if !strings.Contains(in.ID, ":") {
		id = digest.NewDigestFromEncoded(digest.SHA256, in.ID)
	}
	if err := id.Validate(); err != nil {
		return nil, fmt.Errorf("image %s has the ID %q: %w", name, in.ID, err)
	}
	return &local{inspect: in, id: id, asked: name}, nil
}

var idPattern = regexp.MustCompile(`^(sha256:)?[0-9a-f]{4,64}$`)

// resolve finds a requested image and the name it is to have on arrival,
// empty for none.
func (e *Engine) resolve(ctx context.Context, r store.Request, platform *ocispec.Platform) (*local, string, error) {
	query := r.Image
	named, parseErr := reference.ParseNormalizedNamed(r.Image)
	isID := idPattern.MatchString(r.Image)
	if parseErr != nil && !isID {
		return nil, "", &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%q is not an image name: %w", r.Image, parseErr)}
	}
	if parseErr == nil && reference.IsNameOnly(named) && !isID {
		query += ":latest"
	}
	img, err := e.find(ctx, query)
	if errdefs.IsNotFound(err) {
		return nil, "", e.unknown(ctx, r.Image)
	}
	if err != nil {
		return nil, "", failed("inspect "+r.Image, err)
	}
	if e.manifestLists && !isID {
		if img, err = e.ofList(ctx, query, img, platform); err != nil {
			return nil, "", err
		}
	}
	if platform != nil {
		if err := e.pick(r, img, *platform); err != nil {
			return nil, "", err
		}
	}
	if r.As != "" {
		name, err := familiar(r.As)
		return img, name, err
	}
	hex := strings.TrimPrefix(r.Image, "sha256:")
	if isID && strings.HasPrefix(img.id.Encoded(), hex) && !hasTag(img.inspect.RepoTags, named) {
		return img, "", nil
	}
	if _, ok := named.(reference.Digested); ok {
		return img, "", nil
	}
	name, err := familiar(r.Image)
	return img, name, err
}

// hasTag reports whether named is one of an image's tags; a short image ID may
// also be a name.
func hasTag(tags []string, named reference.Named) bool {
	if named == nil {
		return false
	}
	want := reference.TagNameOnly(named).String()
	for _, t := range tags {
		if n, err := store.ParseName(t); err == nil && n.String() == want {
			return true
		}
	}
	return false
}

// Names returns the names of the engine's images.
func (e *Engine) Names(ctx context.Context) ([]string, error) {
	list, err := e.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, failed("list the images", err)
	}
	return names(list), nil
}

// names returns the names of the images in a list, but for temporary ones.
func names(list []image.Summary) []string {
	var out []string
	for _, s := range list {
		out = append(out, shortNames(s.RepoTags)...)
	}
	return slices.DeleteFunc(out, isTemporary)
}

// shortNames returns the short forms of an image's tags.
func shortNames(tags []string) []string {
	var out []string
	for _, t := range tags {
		if n, err := store.ParseName(t); err == nil {
			out = append(out, reference.FamiliarString(n))
		}
	}
	return out
}

// unknown is the error for an image that is not there. It names the near
// misses.
func (e *Engine) unknown(ctx context.Context, name string) error {
	list, lerr := e.api.ImageList(ctx, image.ListOptions{})
	err := store.Missing(name, e.String(), names(list))
	if lerr != nil {
		return err
	}
	starts := 0
	for _, s := range list {
		if idPattern.MatchString(name) && strings.HasPrefix(strings.TrimPrefix(s.ID, "sha256:"), strings.TrimPrefix(name, "sha256:")) {
			starts++
		}
	}
	switch {
	case starts > 1:
		return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is the start of %d images' IDs", name, starts), Hint: "give more digits"}
	case len(list) == 0:
		err.Hint = "that engine has no images at all; -H names another engine"
	}
	return err
}

// gather resolves all requests and merges those for the same image.
func (e *Engine) gather(ctx context.Context, reqs []store.Request, platform *ocispec.Platform) ([]*local, [][]string, error) {
	if len(reqs) == 0 {
		return nil, nil, &transfer.Error{Kind: transfer.KindUsage, Err: errors.New("no image named")}
	}
	var images []*local
	var names [][]string
	index := map[digest.Digest]int{}
	owner := map[string]digest.Digest{}
	var search store.Search
	for _, r := range reqs {
		img, name, err := e.resolve(ctx, r, platform)
		if err != nil {
			if err = search.Note(err); err != nil {
				return nil, nil, err
			}
			continue
		}
		i, ok := index[img.id]
		if !ok {
			i = len(images)
			index[img.id] = i
			img.listed = r.Listed
			images = append(images, img)
			names = append(names, nil)
		}
		if name == "" {
			continue
		}
		switch prev, taken := owner[name]; {
		case !taken:
			owner[name] = img.id
			names[i] = append(names[i], name)
		case prev != img.id:
			return nil, nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("two different images cannot both arrive as %s", name)}
		}
	}
	return images, names, search.Err()
}

// pick checks that img is for the platform that a request wants, or marks which
// of its platforms to read. Only a containerd store has images of several.
func (e *Engine) pick(r store.Request, img *local, p ocispec.Platform) error {
	if e.keepsBlobs {
		img.platform = &p
		return nil
	}
	if is := platformOf(img); layout.PlatformText(is) != "" && !layout.Matches(is, p) {
		return &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is for %s, not %s", r.Image, layout.PlatformText(is), layout.PlatformText(p))}
	}
	return nil
}

func platformOf(l *local) ocispec.Platform {
	return ocispec.Platform{OS: l.inspect.Os, Architecture: l.inspect.Architecture, Variant: l.inspect.Variant}
}

// A manifest list of Podman is a name for several images, each an image of its
// own in the store. The Docker API shows the one for the engine's platform under that
// name, and tells nothing of the list (seen on 4.3.1 and 5.8.6).

// ofList returns the image of a manifest list that is to be sent instead of img,
// the one that the Docker API shows under its name: that for the platform, if one is
// wanted. A note says what of the list is not sent.
func (e *Engine) ofList(ctx context.Context, name string, img *local, platform *ocispec.Platform) (*local, error) {
	list, err := libpod.Dialer(e.api.Dialer()).ManifestList(ctx, name)
	if err != nil {
		return nil, failed("inspect "+name, err)
	}
	if len(list) == 0 {
		return img, nil
	}
	var all []string
	for _, d := range list {
		all = append(all, layout.PlatformOrDigest(d))
	}
	if platform != nil && !layout.Matches(platformOf(img), *platform) {
		if img, err = e.fromList(ctx, name, list, *platform); err != nil {
			return nil, err
		}
		if img == nil {
			return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%s is not here for %s", name, layout.PlatformText(*platform)),
				Hint: "it is a manifest list of " + strings.Join(all, ", ")}
		}
	}
	if len(list) > 1 {
		img.note = fmt.Sprintf("%s is a manifest list of %s; only its image for %s is sent (--platform picks another)", name, strings.Join(all, ", "), layout.PlatformText(platformOf(img)))
	}
	return img, nil
}

// fromList returns the image here that a manifest list has for the platform, or nil.
func (e *Engine) fromList(ctx context.Context, name string, list []ocispec.Descriptor, p ocispec.Platform) (*local, error) {
	here, err := e.api.ImageList(ctx, image.ListOptions{All: true})
	if err != nil {
		return nil, failed("list images", err)
	}
	for _, d := range list {
		if d.Platform == nil || !layout.Matches(*d.Platform, p) {
			continue
		}
		for _, s := range here {
			for _, ref := range s.RepoDigests {
				if strings.HasSuffix(ref, "@"+d.Digest.String()) {
					l, err := e.find(ctx, s.ID)
					if err != nil {
						return nil, failed("inspect "+name, err)
					}
					l.asked = name
					return l, nil
				}
			}
		}
	}
	return nil, nil
}
