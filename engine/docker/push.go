package docker

import (
	"context"
	"errors"
	"net/http"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/imgsend/imgsend/engine/docker/libpod"
	"github.com/imgsend/imgsend/engine/docker/loopback"
	"github.com/imgsend/imgsend/engine/internal/owner"
)

// pushRepo is the repository of the temporary names that images have while they
// are pushed.
const pushRepo = "imgsend-push"

// pushName returns a temporary name under which an image is pushed to reg.
func pushName(reg *loopback.Registry) string {
	return reg.Addr() + "/" + pushRepo + ":" + owner.Tag()
}

// push has the engine push an image to reg, as ref, and reads its answer to the
// end. Each message of it is passed to said. Docker gives the image that name for
// the push, and so needs one that has another: else the image would go with the
// name. Podman pushes by ID and says nothing of use. Engines talk plain HTTP to
// 127.0.0.0/8 unless told otherwise.
func (e *Engine) push(ctx context.Context, l *local, ref string, reg *loopback.Registry, said func(message)) error {
	auth, err := registry.EncodeAuthConfig(registry.AuthConfig{Username: reg.User, Password: reg.Password})
	if err != nil {
		return err
	}
	if e.store == Podman {
		body, err := libpod.Dialer(e.api.Dialer()).Push(ctx, l.id, ref, http.Header{registry.AuthHeader: {auth}})
		if err != nil {
			return err
		}
		defer body.Close()
		return readAnswer(body, nil)
	}
	if len(l.inspect.RepoTags) == 0 {
		return errors.New("the image has no name")
	}
	defer func() {
		// Also after a tag that failed: it may have been given all the same.
		ctx, cancel := cleanupContext(ctx)
		defer cancel()
		_, _ = e.api.ImageRemove(ctx, ref, image.RemoveOptions{})
	}()
	if err := e.api.ImageTag(ctx, l.id.String(), ref); err != nil {
		return err
	}
	body, err := e.api.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer body.Close()
	return readAnswer(body, said)
}
