package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

// containers is implemented by stores that also have containers.
type containers interface {
	Container(ctx context.Context, name string) (*docker.Container, error)
	ContainerNames(ctx context.Context) ([]string, error)
}

// A containerJob is the list of containers to make images of, and how.
type containerJob struct {
	list    []container
	commit  docker.CommitOptions
	flatten string // the mode of --flatten; empty: commit
	keep    bool   // keep the images in this engine
}

// A container is one container to make an image of.
type container struct {
	asked string // its name or ID as the user gave it
	as    string // the image's name on arrival, or ""
	*docker.Container
}

// newContainerJob returns the job of --container and the flags that belong to it.
func newContainerJob(o options, names *cli.Naming) (*containerJob, error) {
	j := &containerJob{flatten: o.flatten, keep: o.keepImage,
		commit: docker.CommitOptions{Message: o.message, Author: o.author, Changes: o.changes, NoPause: o.noPause}}
	by := map[string]string{}
	for _, name := range o.container {
		as, err := names.Of(name, len(o.container) > 1)
		switch {
		case err != nil:
			return nil, err
		case as == "" && o.keepImage:
			return nil, usageError(fmt.Errorf("--keep-image takes --as, the name that the image of %s keeps", name))
		case as != "" && by[as] != "":
			return nil, usageError(fmt.Errorf("the images of %s and %s cannot both be called %s", by[as], name, as))
		}
		by[as] = name
		j.list = append(j.list, container{asked: name, as: as})
	}
	return j, names.Unused()
}

// find looks up all containers before an image is made of the first one. It reports all missing
// containers in one error.
func (j *containerJob) find(ctx context.Context, from store.Store) ([]container, error) {
	eng, ok := from.(containers)
	if !ok {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("containers of %s cannot be sent", from),
			Hint: "make an image of it with nerdctl commit, and send that"}
	}
	var found []container
	var search store.Search
	asked := map[string]string{} // by ID
	for _, c := range j.list {
		var err error
		if c.Container, err = eng.Container(ctx, c.asked); err != nil {
			if err = search.Note(err); err != nil {
				return nil, err
			}
			continue
		}
		if other := asked[c.ID]; other != "" {
			return nil, usageError(fmt.Errorf("%s and %s are the same container", other, c.asked))
		}
		asked[c.ID] = c.asked
		found = append(found, c)
	}
	return found, search.Err()
}

// open makes the images of the containers. If it fails, o.close removes the images made so far.
func (o *origin) open(ctx context.Context, v *cli.Voice, from store.Store, j *containerJob) error {
	list, err := j.find(ctx, from)
	if err != nil {
		return err
	}
	for _, c := range list {
		c.tell(v, len(list) > 1)
		o.runLines = append(o.runLines, func(program string) string {
			return c.RunLine(program, cmp.Or(c.as, "IMAGE"), j.flatten == flattenBare)
		})
	}
	if j.flatten != "" {
		return o.flatten(ctx, v, list, j)
	}
	return o.commit(ctx, v, from, list, j)
}

// tell prints notes on what the image of the container lacks. With several containers, each
// note names its container.
func (c container) tell(v *cli.Voice, several bool) {
	whose := ""
	if several {
		whose = c.Name + ": "
	}
	for _, m := range c.Mounts {
		v.Note(cli.NoteMount, "%s%s is not part of the image", whose, m)
	}
	if lost := c.Lost(); len(lost) > 0 {
		v.Note(cli.NoteNotKept, "%sthe image does not keep: %s", whose, strings.Join(lost, ", "))
	}
	switch {
	case c.as != "":
	case several:
		v.Note(cli.NoteNameless, "%sthe image arrives without a name: --as %s=NAME gives it one", whose, c.asked)
	default:
		v.Note(cli.NoteNameless, "the image arrives without a name: --as NAME gives it one")
	}
}

// flatten makes an image of the file system of each container.
func (o *origin) flatten(ctx context.Context, v *cli.Voice, list []container, j *containerJob) error {
	var sources []*rootfs.Source
	end := o.close
	o.close = func(ctx context.Context) error { // removes their spool files, if no transfer has closed them
		for _, s := range sources {
			_ = s.Close(nil)
		}
		return end(ctx)
	}
	for _, c := range list {
		v.Sayf("reading the file system of %s", c.Name)
		read := v.Working("reading")
		s, err := c.Flatten(ctx, docker.FlattenOptions{As: c.as, Bare: j.flatten == flattenBare,
			Message: j.commit.Message, Author: j.commit.Author, NoPause: j.commit.NoPause})
		read()
		if err != nil {
			return err
		}
		sources = append(sources, s)
	}
	all := rootfs.Join(sources...)
	o.Source = all
	o.repeat(all)
	return nil
}

// commit lets the engine commit each container and opens the images. o.close removes the
// images, except those that arrived and that --keep-image keeps.
func (o *origin) commit(ctx context.Context, v *cli.Voice, from store.Store, list []container, j *containerJob) error {
	var reqs []store.Request
	var images []*docker.Committed
	end := o.close
	o.close = func(ctx context.Context) error {
		var errs []error
		for _, m := range images {
			errs = append(errs, m.Remove(ctx))
		}
		return errors.Join(append(errs, end(ctx))...)
	}
	for _, c := range list {
		v.Sayf("committing %s", c.Name)
		committed := v.Working("the engine commits")
		m, err := c.Commit(ctx, j.commit)
		committed()
		if err != nil {
			return err
		}
		images = append(images, m)
		reqs = append(reqs, m.Request(c.as))
	}
	if j.keep {
		o.sent = func(ctx context.Context) error {
			var errs []error
			for i, m := range images {
				errs = append(errs, m.Keep(ctx, list[i].as))
			}
			return errors.Join(errs...)
		}
	}
	return o.images(ctx, v, from, reqs, nil)
}
