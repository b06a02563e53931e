package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/encoding/protowire"
)

// config returns the bytes of an image's config, which the Docker API has
// nowhere but in a save or at the end of a push. BuildKit, which is a part of
// Docker since 18.09 behind its /grpc, has them, for builds whose client wants
// to know a base image: this is one that builds nothing and leaves no record
// (seen on 20.10.24, 26.1.5 and 28.5.2: 10 to 20 ms). ref must be a name that the
// image has.
//
// It fails where there is no BuildKit, as in Podman.
func (e *Engine) config(ctx context.Context, l *local, ref string) ([]byte, error) {
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	t := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return e.api.DialHijack(ctx, "/grpc", "h2c", nil)
	}}
	defer t.CloseIdleConnections()
	id := rand.Text()
	ctx, stop := context.WithTimeout(ctx, describeTimeout)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, err := grpcCall(ctx, t, "moby.buildkit.v1.Control/Solve", nil, solveRequest(id))
		if err == nil {
			err = errors.New("the build ended before it was asked")
		}
		cancel(err)
	}()
	defer func() {
		cancel(nil)
		<-ended
	}()
	// It waits until the engine knows the build.
	answer, err := grpcCall(ctx, t, "moby.buildkit.v1.frontend.LLBBridge/ResolveImageConfig",
		http.Header{"Buildkit-Controlapi-Buildid": {id}}, configRequest(l, ref))
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the config: %w", err)
	}
	b, err := protoBytes(answer, 2)
	if err != nil {
		return nil, err
	}
	if d := digest.FromBytes(b); d != l.id {
		return nil, fmt.Errorf("the engine has the config %s under the name of %s", d, l.id)
	}
	return b, nil
}

// The messages, by the numbers of their fields in BuildKit 0.25's
// api/services/control/control.proto, frontend/gateway/pb/gateway.proto and
// solver/pb/ops.proto.

// solveRequest asks for a build of this ID (1), which is not to be recorded (11).
func solveRequest(id string) []byte {
	b := appendText(nil, 1, id)
	b = protowire.AppendTag(b, 11, protowire.VarintType)
	return protowire.AppendVarint(b, 1)
}

// configRequest asks for the config of the image of this name (1) and platform
// (2), as it is here (3).
func configRequest(l *local, ref string) []byte {
	is := platformOf(l)
	platform := appendText(nil, 1, is.Architecture)
	platform = appendText(platform, 2, is.OS)
	platform = appendText(platform, 3, is.Variant)
	b := appendText(nil, 1, ref)
	b = appendText(b, 2, string(platform))
	return appendText(b, 3, "local")
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// protoBytes returns a field of bytes of a message; none if it is not there.
func protoBytes(b []byte, field protowire.Number) ([]byte, error) {
	for len(b) > 0 {
		got, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
		if got == field && kind == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			return v, protowire.ParseError(n)
		}
		if n = protowire.ConsumeFieldValue(got, kind, b); n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
	}
	return nil, nil
}
