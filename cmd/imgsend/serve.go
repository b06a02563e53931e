package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/opencontainers/go-digest"
)

// A catalog is the images that receivers may ask for: those in a store whose names match
// patterns. Answers to receivers reveal nothing about other images.
type catalog struct {
	from     store.Store
	names    []string
	patterns []string
}

// catalog opens the store of j and finds the names that match its patterns, sorted. The caller
// must close the store.
func (j *job) catalog(ctx context.Context) (*catalog, error) {
	from, err := engine.Open(ctx, engine.Address{Host: j.host, Namespace: j.namespace, Folder: j.store})
	if err != nil {
		return nil, err
	}
	namer, ok := from.(store.Namer)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s does not say which images it has", from), from.Close())
	}
	names, err := namer.Names(ctx)
	if err != nil {
		return nil, errors.Join(err, from.Close())
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !store.Matches(j.patterns, name) })
	slices.Sort(names)
	return &catalog{from: from, names: slices.Compact(names), patterns: j.patterns}, nil
}

// list returns the listing of all images in the catalog.
func (c *catalog) list(ctx context.Context, j *job) (*wire.Listing, error) {
	var images []wire.Listed
	err := c.each(ctx, j, func(src store.Source, m *transfer.Image) { images = append(images, listed(ctx, src, m)) })
	return &wire.Listing{Images: images}, err
}

// each calls do with each image. It leaves out images that cannot be read. It returns only the
// error of ctx.
func (c *catalog) each(ctx context.Context, j *job, do func(store.Source, *transfer.Image)) error {
	if c.describe(ctx, j, c.names, do) == nil {
		return nil
	}
	for _, name := range c.names {
		_ = c.describe(ctx, j, []string{name}, do)
	}
	return ctx.Err()
}

// listed returns the listing's entry for an image of src.
func listed(ctx context.Context, src transfer.Source, m *transfer.Image) wire.Listed {
	l := wire.Listed{ID: m.ID, Names: m.Refs, Size: m.Size(), Platform: m.Platform}
	if h, ok := src.(store.Historian); ok {
		made, _ := h.History(ctx, m.ID) // without a history the listing has no age
		l.Created = made.Created
	}
	return l
}

// describe calls do with the images of these names. It returns an error and calls do for none
// if one of them cannot be read.
func (c *catalog) describe(ctx context.Context, j *job, names []string, do func(store.Source, *transfer.Image)) error {
	if len(names) == 0 {
		return nil
	}
	reqs := make([]store.Request, len(names))
	for i, name := range names {
		reqs[i].Image = name
	}
	src, err := c.from.Source(ctx, reqs, store.SourceOptions{Platform: j.platform})
	if err != nil {
		return err
	}
	defer src.Close(nil)
	offer, err := src.Next(ctx)
	if err != nil {
		return err
	}
	for i := range offer.Images {
		do(src, &offer.Images[i])
	}
	return nil
}

// requests returns the requests for the images that a receiver asks for. The error for an image
// that is not offered is the same whether or not the image exists here.
func (c *catalog) requests(ctx context.Context, j *job, asked []string) ([]store.Request, error) {
	if len(asked) == 0 {
		return nil, &transfer.Error{Kind: transfer.KindRefused, Err: errors.New("several images are offered here, and none was named"),
			Hint: "imgrecv IMAGE... --from names them, and --list shows them"}
	}
	var reqs []store.Request
	var missing []string
	var all []transfer.Image // read only if an image is asked for by its digest
	for _, name := range asked {
		if named, err := store.ParseName(name); err == nil {
			if short := reference.FamiliarString(named); slices.Contains(c.names, short) {
				reqs = append(reqs, store.Request{Image: short})
				continue
			}
		}
		if all == nil {
			err := c.each(ctx, j, func(_ store.Source, m *transfer.Image) { all = append(all, *m) })
			if err != nil {
				return nil, err
			}
		}
		if id := byDigest(all, name); id != "" {
			reqs = append(reqs, store.Request{Image: id.String()})
			continue
		}
		missing = append(missing, name)
	}
	if len(missing) > 0 {
		return nil, notOffered(missing)
	}
	return reqs, nil
}

// byDigest returns the ID of the image whose ID, root digest or config digest starts with text.
// text is a digest or at least shortestID hexadecimal digits. With NAME@ before it, the image
// must have a name in that repository. It returns "" if no image matches, or more than one.
func byDigest(images []transfer.Image, text string) digest.Digest {
	name, hex, named := strings.Cut(text, "@")
	if !named {
		name, hex = "", text
	}
	hex = strings.TrimPrefix(hex, "sha256:")
	if len(hex) < shortestID {
		return ""
	}
	var found digest.Digest
	for i := range images {
		m := &images[i]
		if !slices.ContainsFunc([]digest.Digest{m.ID, m.Root, m.Config}, func(d digest.Digest) bool { return d != "" && strings.HasPrefix(d.Encoded(), hex) }) {
			continue
		}
		if named && !slices.ContainsFunc(m.Refs, func(ref string) bool { return sameRepository(ref, name) }) {
			continue
		}
		if found != "" && found != m.ID {
			return ""
		}
		found = m.ID
	}
	return found
}

// shortestID is the least number of digits of an image ID that identify an image.
const shortestID = 4

func sameRepository(a, b string) bool {
	x, errA := reference.ParseNormalizedNamed(a)
	y, errB := reference.ParseNormalizedNamed(b)
	return errA == nil && errB == nil && x.Name() == y.Name()
}

// wanted returns the requests that a receiver asks for. A receiver names an image by the name
// that it gets on arrival, by the name in the request if it gets none, or by a digest. find
// returns the ID of the image for a digest, or "".
func wanted(reqs []store.Request, asked []string, find func(digest string) digest.Digest) ([]store.Request, error) {
	var out []store.Request
	var missing []string
	for _, name := range asked {
		i := slices.IndexFunc(reqs, func(r store.Request) bool {
			have := cmp.Or(r.As, r.Image)
			return have == name || store.SameName(have, name)
		})
		if i >= 0 {
			out = append(out, reqs[i])
			continue
		}
		if id := find(name); id != "" {
			out = append(out, store.Request{Image: id.String()})
			continue
		}
		missing = append(missing, name)
	}
	if len(missing) > 0 {
		return nil, notOffered(missing)
	}
	return out, nil
}

func notOffered(names []string) error {
	verb := "is"
	if len(names) > 1 {
		verb = "are"
	}
	return &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%s %s not offered here", strings.Join(names, ", "), verb),
		Hint: "imgrecv --list shows what is"}
}
