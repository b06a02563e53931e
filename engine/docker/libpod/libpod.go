// Package libpod asks Podman's own API what the Docker API does not offer: what is in a
// manifest list, and a push of an image by its ID over plain HTTP. All of it was seen on
// 4.3.1 and 5.8.6.
//
// The package makes no connection and stores nothing.
package libpod

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// version is that of the API that is asked.
const version = "v4.0.0"

// A Dialer connects to Podman's API.
type Dialer func(context.Context) (net.Conn, error)

// ManifestList returns the images that a manifest list has, each an image of its own
// in the store; nil if name is no such list.
func (d Dialer) ManifestList(ctx context.Context, name string) ([]ocispec.Descriptor, error) {
	path := "manifests/" + url.PathEscape(name)
	// Without this question Podman asks registries for a name that is no list.
	resp, err := d.do(ctx, http.MethodGet, path+"/exists", nil)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return nil, nil
	}
	if resp, err = d.do(ctx, http.MethodGet, path+"/json", nil); err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var list ocispec.Index
	if err := json.NewDecoder(io.LimitReader(resp.Body, transfer.MaxDocument)).Decode(&list); err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the engine answers %d to the question for the list %s", resp.StatusCode, name)
	}
	return list.Manifests, nil
}

// Push pushes an image as ref over plain HTTP. It returns the engine's answer, which has
// the failure. header has the credentials.
func (d Dialer) Push(ctx context.Context, id digest.Digest, ref string, header http.Header) (io.ReadCloser, error) {
	query := url.Values{"destination": {ref}, "tlsVerify": {"false"}}
	resp, err := d.do(ctx, http.MethodPost, "images/"+id.Encoded()+"/push?"+query.Encode(), header)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var answer struct{ Message string }
	// Without a message the status says it all.
	_ = json.NewDecoder(io.LimitReader(resp.Body, transfer.MaxDocument)).Decode(&answer)
	return nil, fmt.Errorf("the engine answers %s: %s", resp.Status, answer.Message)
}

// do asks over a connection of its own, which ends with the body of the answer.
func (d Dialer) do(ctx context.Context, method, path string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://podman/"+version+"/libpod/"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d(ctx) }}
	return t.RoundTrip(req)
}
