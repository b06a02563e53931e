package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/imgsend/imgsend/engine/layout"
)

// grpcPrefix is the length of what stands before a gRPC message: whether it is
// compressed, one byte, and its length, four.
const grpcPrefix = 5

// grpcCall makes a call with one message each way over HTTP/2 (gRPC's
// PROTOCOL-HTTP2.md). It is all of gRPC that is needed here: the library for it
// would make each program half as big again.
func grpcCall(ctx context.Context, t http.RoundTripper, method string, header http.Header, message []byte) ([]byte, error) {
	body := make([]byte, grpcPrefix, grpcPrefix+len(message))
	binary.BigEndian.PutUint32(body[1:], uint32(len(message)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine/"+method, bytes.NewReader(append(body, message...)))
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	resp, err := t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the engine answers %s", resp.Status)
	}
	return grpcAnswer(resp)
}

// grpcAnswer reads an answer to its end.
func grpcAnswer(resp *http.Response) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(resp.Body, grpcPrefix+layout.MaxDocument+1))
	if err != nil {
		return nil, err
	}
	end := resp.Trailer
	if end.Get("Grpc-Status") == "" {
		end = resp.Header // there is nothing but the end
	}
	if status := end.Get("Grpc-Status"); status != "0" {
		text, err := url.PathUnescape(end.Get("Grpc-Message"))
		if err != nil {
			text = end.Get("Grpc-Message")
		}
		return nil, fmt.Errorf("the engine answers %s (gRPC status %q)", strings.TrimSpace(text), status)
	}
	if len(b) < grpcPrefix || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-grpcPrefix) {
		return nil, fmt.Errorf("the engine's answer of %d bytes is not one message", len(b))
	}
	return b[grpcPrefix:], nil
}
