package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/docker/docker/api/types/registry"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/opencontainers/go-digest"
)

// pushID has Podman push an image to ref, which the image is not named for it,
// over plain HTTP, which Docker's API cannot ask for (seen on 4.3.1 and 5.8.6).
func (e *Engine) pushID(ctx context.Context, id digest.Digest, ref, user, password string) error {
	auth, err := registry.EncodeAuthConfig(registry.AuthConfig{Username: user, Password: password})
	if err != nil {
		return err
	}
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

// isGzip reports what r begins with, without reading it.
func isGzip(r *bufio.Reader) (bool, error) {
	magic, err := r.Peek(2)
	return bytes.Equal(magic, []byte{0x1f, 0x8b}), err
}

// readConfig reads the config of an image to its end.
func readConfig(r io.Reader, id digest.Digest) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, layout.MaxDocument+1))
	if err != nil {
		return nil, err
	}
	if d := digest.FromBytes(b); d != id {
		return nil, fmt.Errorf("the engine pushes the config %s as that of %s", d, id)
	}
	return b, nil
}
