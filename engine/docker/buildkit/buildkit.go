// Package buildkit asks the BuildKit of a dockerd the one question that the
// Docker API does not answer: what is the config of an image of a classic store?
//
// The package makes no connection and builds nothing.
package buildkit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client/buildid"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc"
)

// ImageConfig returns the config of the image that has the name ref, in its full
// form, in the engine's own store; nothing is pulled. A frontend asks for it
// while a build runs. This build has nothing to do and leaves no record (seen on
// 20.10.24, 26.1.5 and 28.5.2: 10 to 20 ms).
func ImageConfig(ctx context.Context, conn grpc.ClientConnInterface, ref string, p ocispec.Platform) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	id, ended := rand.Text(), make(chan struct{})
	go func() {
		defer close(ended)
		_, err := control.NewControlClient(conn).Solve(ctx, &control.SolveRequest{Ref: id, Internal: true})
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
	answer, err := gateway.NewLLBBridgeClient(conn).ResolveImageConfig(
		buildid.AppendToOutgoingContext(ctx, id),
		&gateway.ResolveImageConfigRequest{
			Ref:         ref,
			Platform:    &pb.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant},
			ResolveMode: pb.AttrImageResolveModePreferLocal,
		})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the config of %s: %w", ref, err)
	}
	return answer.Config, nil
}
