package docker

import (
	"context"
	"errors"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/internal/owner"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

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
// It stays in the engine, under a name of no meaning, until Remove.
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
	if c.e.store == Podman && !o.NoPause {
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
	if c.e.store == Podman {
		// It fails without a body, and does not use what is in it; Docker takes
		// it for the settings to start from. It pauses only when told to, while
		// the client only ever tells not to. (Seen on 4.3.1 and 5.8.6.)
		opts.Config, opts.Pause = &container.Config{}, false
	}
	// Its own context: when the connection is cut is for giveUp to say.
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

// giveUpEvery is how often a container is looked at that is to run on.
const giveUpEvery = 50 * time.Millisecond

// giveUp ends a commit that is not wanted any more. It returns when the commit
// is over and, if pausing says that the engine has paused the container for it,
// the container runs on; in cleanupTime at most.
//
// What a cut connection does, 0.15 s into the commit of a running container with
// 300 MB of new files: a containerd store (26.1.5, 28.5.2) and Podman (4.3.1,
// 5.8.6) end the commit, within 0.1 s and 1.2 s, and leave no image. Classic
// stores (20.10.24, 26.1.5, 28.5.2) go on to the end, name the image, and only
// then let the container run on.
func (c *Container) giveUp(ctx context.Context, pausing bool, answer <-chan error, cut func()) {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if c.e.store != Classic {
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
