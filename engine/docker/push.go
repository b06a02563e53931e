package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/imgsend/imgsend/engine/docker/loopback"
	"github.com/imgsend/imgsend/engine/internal/owner"
	"github.com/opencontainers/go-digest"
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
		return e.pushID(ctx, l.id, ref, auth)
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

// pushID has Podman push an image by its ID over plain HTTP, which Docker's API
// cannot ask for (seen on 4.3.1 and 5.8.6).
func (e *Engine) pushID(ctx context.Context, id digest.Digest, ref, auth string) error {
	query := url.Values{"destination": {ref}, "tlsVerify": {"false"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://podman/v4.0.0/libpod/images/"+id.Encoded()+"/push?"+query.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set(registry.AuthHeader, auth)
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return e.api.Dialer()(ctx) }}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return readAnswer(resp.Body, nil)
	}
	var answer struct{ Message string }
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil {
		_ = json.Unmarshal(b, &answer)
	}
	return fmt.Errorf("the engine answers %s: %s", resp.Status, answer.Message)
}
