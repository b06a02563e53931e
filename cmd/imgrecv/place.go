package main

import (
	"context"
	"fmt"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A place takes images in.
type place interface {
	fmt.Stringer   // "Docker 28.5.2, containerd store"
	where() string // and where it was found
	// platform is what runs there; of no OS where nothing does.
	platform() ocispec.Platform
	// sink returns what one transfer is copied to.
	sink(ctx context.Context, noClobber bool) (transfer.Sink, error)
	close()
}

// open finds the place that the options name.
func (o *options) open(ctx context.Context) (place, error) {
	if o.store != "" {
		return folderPlace(o.store), nil
	}
	eng, err := docker.Find(ctx, o.host)
	if err != nil {
		return nil, err
	}
	return enginePlace{eng}, nil
}

type enginePlace struct{ *docker.Engine }

func (p enginePlace) where() string {
	return fmt.Sprintf("%s at %s (%s)", p, p.Endpoint().Host, p.Endpoint().From)
}

func (p enginePlace) platform() ocispec.Platform { return p.Platform() }

func (p enginePlace) sink(_ context.Context, noClobber bool) (transfer.Sink, error) {
	s := docker.NewSink(p.Engine)
	s.NoClobber = noClobber
	return s, nil
}

func (p enginePlace) close() { _ = p.Close() }

// A folderPlace is an OCI layout folder.
type folderPlace string

func (p folderPlace) String() string             { return "an OCI layout folder" }
func (p folderPlace) where() string              { return "the OCI layout " + string(p) }
func (p folderPlace) platform() ocispec.Platform { return ocispec.Platform{} }
func (p folderPlace) close()                     {}

func (p folderPlace) sink(_ context.Context, noClobber bool) (transfer.Sink, error) {
	s, err := folder.NewSink(string(p))
	if err != nil {
		return nil, err
	}
	s.NoClobber = noClobber
	return s, nil
}
