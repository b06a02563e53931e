package docker

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
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
	layer, err = rootfs.Spool(ctx, body)
	return layer, failed(op, err)
}

// config is what the image of the flattened container says of itself.
func (c *Container) config(ctx context.Context, o FlattenOptions) rootfs.Config {
	now := time.Now().UTC()
	var out rootfs.Config
	out.Created, out.Author, out.Platform = &now, o.Author, c.e.platform
	out.History = []ocispec.History{{Created: &now, Author: o.Author, Comment: o.Message, CreatedBy: "imgsend --flatten"}}
	var base dockerspec.DockerOCIImageConfig
	// The image may be gone, by force; the container goes on without.
	if l, err := c.e.find(ctx, c.inspect.Image); err == nil {
		out.Platform = ocispec.Platform{OS: l.inspect.Os, Architecture: l.inspect.Architecture, Variant: l.inspect.Variant}
		if l.inspect.Config != nil {
			base = *l.inspect.Config
		}
	}
	if !o.Bare {
		out.Config = c.settings(base)
	}
	return out
}

// settings returns what an image can have of the container's settings. base is
// that of its image: engines do not repeat all of it in a container's (Docker
// leaves out ONBUILD, and Podman VOLUME too). Podman 4.3.1 does not tell ports
// that the container exposes and its image does not.
func (c *Container) settings(base dockerspec.DockerOCIImageConfig) rootfs.Settings {
	in, podman := c.inspect.Config, c.e.ownSettings
	out := rootfs.Settings{DockerOCIImageConfig: base, StopTimeout: in.StopTimeout}
	out.User, out.Env, out.WorkingDir = in.User, in.Env, in.WorkingDir
	out.Entrypoint, out.Cmd = in.Entrypoint, in.Cmd
	out.Labels = in.Labels
	out.ArgsEscaped = in.ArgsEscaped //nolint:staticcheck // deprecated for new images, and this one is as old as its container's
	if podman {
		if in.StopTimeout != nil && *in.StopTimeout == podmanStopTimeout {
			out.StopTimeout = nil
		}
		out.Env = ownEnv(in, base.Env)
		out.Volumes = c.unnamedVolumes(base.Volumes)
	}
	if in.StopSignal != "" && (!podman || in.StopSignal != podmanStopSignal) {
		out.StopSignal = in.StopSignal
	}
	if len(in.Shell) > 0 {
		out.Shell = in.Shell
	}
	if len(in.OnBuild) > 0 {
		out.OnBuild = in.OnBuild
	}
	if in.Healthcheck != nil {
		out.Healthcheck = in.Healthcheck
	}
	if len(in.Volumes) > 0 {
		out.Volumes = in.Volumes
	}
	if len(in.ExposedPorts) > 0 {
		out.ExposedPorts = map[string]struct{}{}
		for p := range in.ExposedPorts {
			out.ExposedPorts[string(p)] = struct{}{}
		}
	}
	return out
}

// What Podman says of every container without a signal of its own, SIGTERM, and
// without a time to stop in, in seconds.
const (
	podmanStopSignal  = "15"
	podmanStopTimeout = 10
)

// ownEnv returns the variables of a container without those that Podman itself
// has added (seen on 4.3.1 and 5.8.6), unless they are in its image's too.
func ownEnv(in *container.Config, image []string) []string {
	var out []string
	for _, kv := range in.Env {
		added := kv == "container=podman" || kv == "TERM=xterm" || kv == "HOSTNAME="+in.Hostname || strings.HasPrefix(kv, "HOME=")
		if !added || slices.Contains(image, kv) {
			out = append(out, kv)
		}
	}
	return out
}

var unnamedVolume = regexp.MustCompile(`^[0-9a-f]{64}$`)

// unnamedVolumes returns the places of an image's volumes and those where the
// container has one that nobody named: what Docker lists among a container's
// settings.
func (c *Container) unnamedVolumes(image map[string]struct{}) map[string]struct{} {
	out := maps.Clone(image)
	for _, m := range c.Mounts {
		if m.Kind == string(mount.TypeVolume) && unnamedVolume.MatchString(m.From) {
			if out == nil {
				out = map[string]struct{}{}
			}
			out[m.Path] = struct{}{}
		}
	}
	return out
}
