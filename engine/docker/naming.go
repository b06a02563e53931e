package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// A given is a name that was given to the image id, the one at this place in the
// outcome.
type given struct {
	transfer.Name
	id    digest.Digest
	place int
}

// nameAll gives the images of the outcome their names, all or none, and lists the
// names there. Once it has begun, an interrupt does not stop it: it takes as long
// as the engine needs, at most cleanupTime for each name. When it fails and cannot
// take names back, it returns an outcome that lists these.
func (s *Sink) nameAll(ctx context.Context, out *transfer.Outcome) (left *transfer.Outcome, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var done []given
	for i := range out.Images {
		a := &out.Images[i]
		for _, ref := range s.refs(a.ID) {
			name, moved, err := s.name(ctx, ref, a.New)
			if moved {
				done = append(done, given{name, a.New, i})
			}
			if err != nil {
				return s.unname(ctx, out, done, err)
			}
			a.Names = append(a.Names, name)
		}
	}
	return nil, nil
}

// name gives the name ref to the image id. moved says that the image may have the
// name now and did not have it before.
func (s *Sink) name(ctx context.Context, ref string, id digest.Digest) (name transfer.Name, moved bool, err error) {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	name.Ref = ref
	old, err := s.e.find(ctx, ref)
	switch {
	case err != nil && !errdefs.IsNotFound(err):
		return name, false, failed("inspect "+ref, unanswered(ctx, err))
	case err == nil && old.id == id:
		return name, false, nil
	case err == nil:
		name.Replaced = old.id
		if s.NoClobber {
			return name, false, store.Clobbers(ref, old.id.Encoded()[:12])
		}
	}
	if err := s.e.api.ImageTag(ctx, id.String(), ref); err != nil {
		return name, true, failed("tag "+ref, unanswered(ctx, err))
	}
	if now, err := s.e.find(ctx, ref); err != nil || now.id != id {
		return name, true, failed("tag "+ref, errors.Join(errNotLoaded, unanswered(ctx, err)))
	}
	return name, true, nil
}

// unanswered returns err, or if ctx has run into its deadline that the engine does
// not answer.
func unanswered(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("the engine has not answered within %s", cleanupTime)
	}
	return err
}

func (s *Sink) refs(id digest.Digest) []string {
	for i := range s.offer.Images {
		if s.offer.Images[i].ID == id {
			return s.offer.Images[i].Refs
		}
	}
	return nil
}

// unname takes names back because of err, the last one first. It returns err, and
// if names remain an outcome of these. An engine that does not answer is not asked
// for the rest.
func (s *Sink) unname(ctx context.Context, out *transfer.Outcome, done []given, err error) (*transfer.Outcome, error) {
	var left []given
	answers := true
	for _, g := range slices.Backward(done) {
		if answers {
			var back bool
			if back, answers = s.unnameOne(ctx, g); back {
				continue
			}
		}
		left = append(left, g)
	}
	if len(left) == 0 {
		return nil, err
	}
	slices.Reverse(left)
	remain := &transfer.Outcome{}
	var names []string
	for i, a := range out.Images {
		a.Names = nil
		for _, g := range left {
			if g.place == i {
				a.Names = append(a.Names, g.Name)
				names = append(names, g.Ref)
			}
		}
		if len(a.Names) > 0 {
			remain.Images = append(remain.Images, a)
		}
	}
	return remain, store.Remain(err, names)
}

// unnameOne takes one name back, unless somebody else has given it to another
// image since. back says that the image does not have it any more, answers that
// the engine answered in time.
func (s *Sink) unnameOne(ctx context.Context, g given) (back, answers bool) {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	now, err := s.e.find(ctx, g.Ref)
	switch {
	case errdefs.IsNotFound(err), err == nil && now.id != g.id:
		return true, true
	case err != nil:
	case g.Replaced != "":
		err = s.e.api.ImageTag(ctx, g.Replaced.String(), g.Ref)
	default:
		_, err = s.e.api.ImageRemove(ctx, g.Ref, image.RemoveOptions{})
	}
	return err == nil || errdefs.IsNotFound(err) && g.Replaced == "", ctx.Err() == nil
}
