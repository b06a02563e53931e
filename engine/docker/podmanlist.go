package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A manifest list of Podman is a name for several images, each an image of its
// own in the store. The Docker API shows the one for the engine's platform under that
// name, and tells nothing of the list (seen on 4.3.1 and 5.8.6).

// manifestList returns the images that a manifest list of Podman has, nil if name is
// no such list.
func (e *Engine) manifestList(ctx context.Context, name string) ([]ocispec.Descriptor, error) {
	path := "manifests/" + url.PathEscape(name)
	// Without this question Podman asks registries for a name that is no list.
	if _, status, err := e.libpod(ctx, path+"/exists"); err != nil || status != http.StatusNoContent {
		return nil, err
	}
	b, status, err := e.libpod(ctx, path+"/json")
	if err != nil {
		return nil, err
	}
	var list ocispec.Index
	if err := json.Unmarshal(b, &list); err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("the engine answers %d to the question for the list %s", status, name)
	}
	return list.Manifests, nil
}

// libpod asks Podman's own API.
func (e *Engine) libpod(ctx context.Context, path string) (body []byte, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://podman/v4.0.0/libpod/"+path, http.NoBody)
	if err != nil {
		return nil, 0, err
	}
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return e.api.Dialer()(ctx) }}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, layout.MaxDocument))
	return body, resp.StatusCode, err
}

// ofList returns the image of a manifest list that is to be sent instead of img,
// the one that the Docker API shows under its name: that for the platform, if one is
// wanted. A note says what of the list is not sent.
func (e *Engine) ofList(ctx context.Context, name string, img *local, platform *ocispec.Platform) (*local, error) {
	list, err := e.manifestList(ctx, name)
	if err != nil {
		return nil, failed("inspect "+name, err)
	}
	if len(list) == 0 {
		return img, nil
	}
	var all []string
	for _, d := range list {
		all = append(all, platformOr(d))
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

// platformOr returns the platform of what a list has, or its digest.
func platformOr(d ocispec.Descriptor) string {
	if d.Platform != nil && layout.PlatformText(*d.Platform) != "" {
		return layout.PlatformText(*d.Platform)
	}
	return d.Digest.String()
}
