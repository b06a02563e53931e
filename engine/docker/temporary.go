package docker

import (
	"context"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/internal/owner"
)

// sweep removes names that killed runs left in the engine, and images with no
// other name; and what failed transfers of a day ago and more have kept. What cannot
// be removed now is left to the next run.
func (e *Engine) sweep(ctx context.Context) {
	list, err := e.api.ImageList(ctx, image.ListOptions{})
	if err == nil {
		e.sweepListed(ctx, list)
	}
}

// sweepListed is sweep for images that have been listed.
func (e *Engine) sweepListed(ctx context.Context, list []image.Summary) {
	now := time.Now()
	for _, s := range list {
		if o, ok := prefixOf(s); ok && o.Gone(now) && now.Sub(time.Unix(o.Since, 0)) > owner.LeftoverAge {
			_, _ = e.api.ImageRemove(ctx, s.ID, image.RemoveOptions{})
		}
		for _, ref := range s.RepoTags {
			if o, ok := temporary(ref); ok && o.Gone(now) {
				_, _ = e.api.ImageRemove(ctx, ref, image.RemoveOptions{})
			}
		}
	}
}

// temporary returns who gave a temporary name. Podman lists names in full, Docker
// in short.
func temporary(ref string) (o owner.Owner, ok bool) {
	i := strings.LastIndexByte(ref, ':')
	if i < 0 {
		return o, false
	}
	repo := strings.TrimPrefix(ref[:i], "docker.io/library/")
	if repo != commitRepo && !strings.HasSuffix(repo, "/"+pushRepo) {
		return o, false
	}
	return owner.Parse(ref[i+1:])
}
