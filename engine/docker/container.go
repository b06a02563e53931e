package docker

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

// A Container is a container of an engine as it was when it was found.
type Container struct {
	ID   string // 64 hexadecimal digits
	Name string
	// Mounts are what neither [Container.Commit] nor [Container.Flatten]
	// takes along, by their paths in the container.
	Mounts []Mount

	e       *Engine
	inspect container.InspectResponse
}

// A Mount is a place in a container whose files are not the container's.
type Mount struct {
	Kind string // "volume", "bind", "tmpfs" or another that the engine knows
	Path string // in the container
	// From is the name of a volume or the path of a bind on the engine's host,
	// empty for others.
	From string
}

// String describes the mount: "volume pgdata at /var/lib/postgresql".
func (m Mount) String() string {
	if m.From == "" {
		return m.Kind + " at " + m.Path
	}
	return m.Kind + " " + m.From + " at " + m.Path
}

// Container returns the container with a name, an ID, or the beginning of one.
// There is one, or the error is of [transfer.KindEngine] and its hint names the
// near misses.
func (e *Engine) Container(ctx context.Context, name string) (*Container, error) {
	if name == "" || strings.ContainsAny(name, "/?#% ") {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("%q is not a container name", name)}
	}
	in, err := e.api.ContainerInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil, e.unknownContainer(ctx, name)
	}
	if err != nil {
		return nil, failed("inspect "+name, err)
	}
	if in.ContainerJSONBase == nil || in.State == nil || in.Config == nil {
		return nil, failed("inspect "+name, errors.New("the engine does not say what the container is"))
	}
	return &Container{ID: in.ID, Name: strings.TrimPrefix(in.Name, "/"), Mounts: mounts(in), e: e, inspect: in}, nil
}

// mounts lists a container's mounts. Those that --tmpfs made stand with the
// host's settings only.
func mounts(in container.InspectResponse) []Mount {
	var out []Mount
	seen := map[string]bool{}
	for _, m := range in.Mounts {
		kind := m.Type
		if kind == "" {
			kind = mount.TypeBind
		}
		from := m.Name
		if kind == mount.TypeBind {
			from = m.Source
		}
		seen[m.Destination] = true
		out = append(out, Mount{Kind: string(kind), Path: m.Destination, From: from})
	}
	if in.HostConfig != nil {
		for path := range in.HostConfig.Tmpfs {
			if !seen[path] {
				out = append(out, Mount{Kind: string(mount.TypeTmpfs), Path: path})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}

// unknownContainer is the error for a container that is not there.
func (e *Engine) unknownContainer(ctx context.Context, name string) error {
	err := &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("no container %s in %s", name, e)}
	list, lerr := e.api.ContainerList(ctx, container.ListOptions{All: true})
	if lerr != nil {
		return err
	}
	var names []string
	for _, c := range list {
		for _, n := range c.Names {
			// A slash inside is that of a link, another container's word for it.
			if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
				names = append(names, n)
			}
		}
	}
	near := store.Nearest(name, names)
	_, _, ierr := e.resolve(ctx, store.Request{Image: name}, nil)
	switch {
	case ierr == nil && len(near) > 0:
		err.Hint = fmt.Sprintf("did you mean %s? %s itself is an image, which is sent without --container", strings.Join(near, " or "), name)
	case ierr == nil:
		err.Hint = name + " is an image, which is sent without --container"
	case len(near) > 0:
		err.Hint = "did you mean " + strings.Join(near, " or ") + "?"
	case len(list) == 0:
		err.Hint = "that engine has no containers at all; -H names another engine"
	}
	return err
}

// runs reports whether the container was running, and not paused, when it was
// found.
func (c *Container) runs() bool {
	s := c.inspect.State
	return s.Running && !s.Paused && !s.Restarting
}

// pausedNow reports whether the container is paused, as far as its engine says.
func (c *Container) pausedNow(ctx context.Context) bool {
	now, err := c.e.api.ContainerInspect(ctx, c.ID)
	return err == nil && now.ContainerJSONBase != nil && now.State != nil && now.State.Paused
}

// hold pauses the container if it runs, and returns what lets it run on. That
// must be called, also when ctx is done.
func (c *Container) hold(ctx context.Context) (release func() error, err error) {
	nothing := func() error { return nil }
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !c.runs() {
		return nothing, nil
	}
	// An interrupt does not cut this off: whether the container is paused would
	// not be known then.
	short, cancel := cleanupContext(ctx)
	defer cancel()
	err = c.e.api.ContainerPause(short, c.ID)
	if err == nil {
		return func() error { return c.unpause(ctx) }, nil
	}
	if short.Err() == nil {
		// Stopped, or paused by somebody else, since it was found?
		if now, ierr := c.e.Container(short, c.ID); ierr == nil && !now.runs() {
			return nothing, nil
		}
	} else {
		_ = c.unpause(ctx)
	}
	return nil, failed("pause "+c.Name, err)
}

// unpause lets the container run on if it is paused, also when ctx is done.
func (c *Container) unpause(ctx context.Context) error {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	err := c.e.api.ContainerUnpause(ctx, c.ID)
	if err == nil {
		return nil
	}
	if ctx.Err() == nil && !c.pausedNow(ctx) {
		return nil // it has run on, has ended or is gone
	}
	return &transfer.Error{Kind: transfer.KindEngine, Op: "unpause " + c.Name, Err: errorText(err),
		Hint: "the container may still be paused; its engine's unpause command lets it run on"}
}
