package docker

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/imgsend/imgsend/engine/internal/owner"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
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

// ContainerNames returns the names of the engine's containers.
func (e *Engine) ContainerNames(ctx context.Context) ([]string, error) {
	list, err := e.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, failed("list the containers", err)
	}
	return containerNames(list), nil
}

// containerNames returns the names of the containers in a list.
func containerNames(list []container.Summary) []string {
	var out []string
	for _, c := range list {
		for _, n := range c.Names {
			// A name with a slash inside is a link: an alias in another container.
			if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
				out = append(out, n)
			}
		}
	}
	return out
}

// unknownContainer is the error for a container that is not there.
func (e *Engine) unknownContainer(ctx context.Context, name string) error {
	err := &transfer.Error{Kind: transfer.KindEngine, Err: &store.MissingError{Thing: "container", Images: []string{name}, Where: e.String()}}
	list, lerr := e.api.ContainerList(ctx, container.ListOptions{All: true})
	if lerr != nil {
		return err
	}
	near := store.Nearest(name, containerNames(list))
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

// hold pauses the container if it runs, and returns the function that unpauses it. The
// caller must call that function, also when ctx is done.
func (c *Container) hold(ctx context.Context) (release func() error, err error) {
	nothing := func() error { return nil }
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !c.runs() {
		return nothing, nil
	}
	// Without the cancellation of ctx: after a request that was cut off nobody knows
	// whether the container is paused.
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

// commitRepo is the repository of the temporary names that committed images have
// while they are sent. A killed run's image is found by it (see sweep).
const commitRepo = "imgsend-commit"

// CommitOptions are what a commit is told.
type CommitOptions struct {
	Message string
	Author  string
	Changes []string // Dockerfile instructions, such as "CMD /app"
	NoPause bool     // let the container run while it is read
}

// Committed is the image that a container's files and settings were made into.
// It stays in the engine, under a temporary name, until Remove.
type Committed struct {
	ID  digest.Digest
	e   *Engine
	ref string
}

// Commit makes an image of the container: its files on top of those of its
// image, whose layers it shares, and its settings. Files of its mounts are not
// part of it.
//
// The engine pauses a running container while it is read, unless NoPause is
// set. When ctx ends before the commit, Commit lets the container run on at
// once, ends the commit, and removes what it made. A classic store does not end
// a commit, so that Commit waits for it, ten seconds at most; one that takes
// longer leaves an image that the next run removes.
//
// Podman leaves the pausing to Commit (see hold), so that only there a killed
// process leaves the container paused.
func (c *Container) Commit(ctx context.Context, o CommitOptions) (*Committed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.e.sweep(ctx)
	release := func() error { return nil }
	if !c.e.pausesCommits && !o.NoPause {
		var err error
		if release, err = c.hold(ctx); err != nil {
			return nil, err
		}
	}
	m := &Committed{e: c.e, ref: commitRepo + ":" + owner.Tag()}
	err := c.commit(ctx, m.ref, o)
	err = errors.Join(err, release())
	var l *local
	if err == nil {
		l, err = c.e.find(ctx, m.ref)
	}
	if err != nil {
		_ = m.Remove(ctx)
		if errdefs.IsInvalidArgument(err) {
			return nil, &transfer.Error{Kind: transfer.KindUsage, Op: "commit " + c.Name, Err: errorText(err)}
		}
		return nil, failed("commit "+c.Name, err)
	}
	m.ID = l.id
	return m, nil
}

// commit has the engine commit the container under the name ref.
func (c *Container) commit(ctx context.Context, ref string, o CommitOptions) error {
	opts := container.CommitOptions{Reference: ref, Comment: o.Message, Author: o.Author, Changes: o.Changes, Pause: !o.NoPause}
	if !c.e.pausesCommits {
		// It fails without a body, and does not use what is in it; Docker takes
		// it for the settings to start from. It pauses only when told to, while
		// the client only ever tells not to. (Seen on 4.3.1 and 5.8.6.)
		opts.Config, opts.Pause = &container.Config{}, false
	}
	// With a context of its own: giveUp decides when the connection is cut.
	api, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	answer := make(chan error, 1)
	go func() {
		_, err := c.e.api.ContainerCommit(api, c.ID, opts)
		answer <- err
	}()
	select {
	case err := <-answer:
		return errors.Join(err, ctx.Err())
	case <-ctx.Done():
		c.giveUp(ctx, opts.Pause, answer, cut)
		return ctx.Err()
	}
}

// giveUpEvery is the interval at which giveUp inspects a container that has to run on.
const giveUpEvery = 50 * time.Millisecond

// giveUp cancels a commit. It returns when the commit has ended and, if pausing says that
// the engine has paused the container for it, when the container runs again; after
// cleanupTime at the latest.
//
// What a cut connection does, 0.15 s into the commit of a running container with
// 300 MB of new files: a containerd store (26.1.5, 28.5.2) and Podman (4.3.1,
// 5.8.6) end the commit, within 0.1 s and 1.2 s, and leave no image. Classic
// stores (20.10.24, 26.1.5, 28.5.2) go on to the end, name the image, and only
// then let the container run on.
func (c *Container) giveUp(ctx context.Context, pausing bool, answer <-chan error, cut func()) {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if c.e.endsCommits {
		cut()
	}
	tick := time.NewTicker(giveUpEvery)
	defer tick.Stop()
	for answered := false; ; {
		// Podman says nothing of a container before its commit is over.
		paused := c.pausedNow(ctx) && pausing && c.runs()
		if paused {
			// The engine does not mind that it was done when its own turn comes.
			_ = c.unpause(ctx)
		}
		if answered && !paused {
			return
		}
		select {
		case <-answer: //nolint:errcheck // whatever it is, nobody wants the commit
			answered, answer = true, nil
		case <-tick.C:
		case <-ctx.Done():
			cut()
			if !answered {
				<-answer //nolint:errcheck // as above
			}
			return
		}
	}
}

// Request asks a [Source] for the image: under a name of its own, or without
// one if as is empty.
func (m *Committed) Request(as string) store.Request {
	return store.Request{Image: m.ID.String(), As: as}
}

// Keep gives the image a name in its engine, where it then stays. The name
// moves if it is another image's.
func (m *Committed) Keep(ctx context.Context, name string) error {
	ref, err := familiar(name)
	if err != nil {
		return err
	}
	return failed("tag "+ref, m.e.api.ImageTag(ctx, m.ID.String(), ref))
}

// Remove takes the image out of the engine again, unless it has another name.
// It works after ctx is done, and may be called again.
func (m *Committed) Remove(ctx context.Context) error {
	if m.ref == "" {
		return nil
	}
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if _, err := m.e.api.ImageRemove(ctx, m.ref, image.RemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
		return failed("remove "+m.ref, err)
	}
	m.ref = ""
	return nil
}
