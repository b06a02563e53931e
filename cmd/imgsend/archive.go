package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

// archive opens the archive of --input as the origin. The caller must call its close.
func (j *job) archive(ctx context.Context, v *cli.Voice) (*origin, error) {
	f, where, err := cli.OpenArchive(ctx, j.input)
	if err != nil {
		return nil, err
	}
	v.Sayf("from %s", where)
	reading := v.Working("reading the archive")
	src, err := cli.ReadArchive(ctx, v, f, j.platform, func(images []transfer.Image) ([]transfer.Image, error) {
		if j.names != nil {
			return images, errors.Join(j.names.Apply(images), j.names.Unused())
		}
		return chosen(images, j.requests, j.set, where)
	})
	reading()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	o := &origin{Source: src, name: "an archive", close: func(context.Context) error { return errors.Join(src.Close(nil), f.Close()) }}
	o.repeat(src)
	return o, nil
}

// chosen returns the images of an archive that are requested or in the set, if that is not
// nil, with the names that they are to have.
func chosen(images []transfer.Image, reqs []store.Request, s *set, where string) ([]transfer.Image, error) {
	var have []string
	for _, m := range images {
		have = append(have, m.Refs...)
	}
	var search store.Search
	if s != nil {
		var err error
		if reqs, err = s.of(where, have, &search); err != nil {
			return nil, err
		}
		if search.Err() == nil {
			err = s.name(reqs)
		}
		if err != nil {
			return nil, err
		}
	}
	named := make([][]string, len(images))
	taken := make([]bool, len(images))
	for _, r := range reqs {
		i, name := find(images, r.Image)
		if i < 0 {
			_ = search.Note(store.Missing(r.Image, where, have)) // is one
			continue
		}
		if r.As != "" {
			name = r.As
		}
		taken[i] = true
		if name != "" && !slices.Contains(named[i], name) {
			named[i] = append(named[i], name)
		}
	}
	if err := search.Err(); err != nil {
		return nil, err
	}
	var out []transfer.Image
	for i, m := range images {
		if taken[i] {
			m.Refs = named[i]
			out = append(out, m)
		}
	}
	return out, nil
}

// find returns the index of the image with a name, or with an ID that begins with at
// least four digits, and the name; -1 if there is none.
func find(images []transfer.Image, image string) (int, string) {
	if name, err := layout.ShortName(image); err == nil {
		for i, m := range images {
			if slices.Contains(m.Refs, name) {
				return i, name
			}
		}
	}
	id := strings.TrimPrefix(image, "sha256:")
	if len(id) < 4 {
		return -1, ""
	}
	return slices.IndexFunc(images, func(m transfer.Image) bool {
		return strings.HasPrefix(m.ID.Encoded(), id) || m.Config != "" && strings.HasPrefix(m.Config.Encoded(), id)
	}), ""
}
