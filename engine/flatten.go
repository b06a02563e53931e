package engine

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/imgsend/imgsend/engine/rootfs"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// FlattenOptions are what becomes of a container's file system.
type FlattenOptions struct {
	As      string // the name on arrival; empty: none
	Bare    bool   // keep none of the settings, as an export and import do
	Message string
	Author  string
	NoPause bool // let the container run while it is read
	// Read counts the bytes that were read, if it is not nil.
	Read *atomic.Int64
}

// Flatten exports the container's file system, and returns the source of the
// image that has it as its only layer and the container's settings as its own:
// those that an image can have, so not its host name, terminal, mounts or
// limits. Flatten returns when the file system is in a temporary file (see
// [rootfs.Spool]).
//
// Files of the container's mounts are not part of it. What the engine itself
// puts into a container is, just as in its export: empty files and folders such
// as /.dockerenv, /etc/hosts, /etc/resolv.conf and /dev/console.
//
// A running container is paused while it is read, unless NoPause is set: no
// engine does that for an export. It runs on when Flatten returns, whatever
// happens, unless the process is killed.
func (c *Container) Flatten(ctx context.Context, o FlattenOptions) (*rootfs.Source, error) {
	var refs []string
	if o.As != "" {
		name, err := familiar(o.As)
		if err != nil {
			return nil, err
		}
		refs = []string{name}
	}
	config := c.config(ctx, o)
	layer, err := c.export(ctx, o)
	if err != nil {
		return nil, err
	}
	return rootfs.New(layer, config, refs)
}

// export spools the file system, the container held meanwhile.
func (c *Container) export(ctx context.Context, o FlattenOptions) (layer *rootfs.Layer, err error) {
	if !o.NoPause {
		release, herr := c.hold(ctx)
		if herr != nil {
			return nil, herr
		}
		defer func() {
			rerr := release()
			if rerr == nil {
				return
			}
			if layer != nil {
				_ = layer.Close()
			}
			layer, err = nil, errors.Join(err, rerr)
		}()
	}
	op := "export " + c.Name
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends an export that is not read to its end
	body, err := c.e.api.ContainerExport(ctx, c.ID)
	if err != nil {
		return nil, failed(op, err)
	}
	defer body.Close()
	layer, err = rootfs.Spool(ctx, &readCounter{body, o.Read})
	return layer, failed(op, err)
}

// readCounter counts what is read into n, if that is not nil.
type readCounter struct {
	r io.Reader
	n *atomic.Int64
}

func (c *readCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n != nil {
		c.n.Add(int64(n))
	}
	return n, err
}

// config is what the image of the flattened container says of itself.
func (c *Container) config(ctx context.Context, o FlattenOptions) rootfs.Config {
	now := time.Now().UTC()
	var out rootfs.Config
	out.Created, out.Author, out.Platform = &now, o.Author, c.e.platform
	out.History = []ocispec.History{{Created: &now, Author: o.Author, Comment: o.Message, CreatedBy: "imgsend --flatten"}}
	base, err := c.e.find(ctx, c.inspect.Image)
	if err == nil {
		out.Platform = ocispec.Platform{OS: base.inspect.Os, Architecture: base.inspect.Architecture, Variant: base.inspect.Variant}
	}
	if o.Bare {
		return out
	}
	out.Config = settings(c.inspect.Config)
	return out
}

// settings returns what an image can have of a container's settings.
func settings(in *container.Config) dockerspec.DockerOCIImageConfig {
	var out dockerspec.DockerOCIImageConfig
	out.User, out.Env, out.WorkingDir = in.User, in.Env, in.WorkingDir
	out.Entrypoint, out.Cmd, out.Shell = in.Entrypoint, in.Cmd, in.Shell
	out.Labels, out.Volumes = in.Labels, in.Volumes
	out.StopSignal, out.OnBuild, out.Healthcheck = in.StopSignal, in.OnBuild, in.Healthcheck
	out.ArgsEscaped = in.ArgsEscaped
	if len(in.ExposedPorts) > 0 {
		out.ExposedPorts = map[string]struct{}{}
		for p := range in.ExposedPorts {
			out.ExposedPorts[string(p)] = struct{}{}
		}
	}
	return out
}
