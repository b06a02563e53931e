package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/engine/docker/savetar"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Export reads the images to take out of the content store. If the engine has none, it
// makes the engine push single layers where that is faster, and save the other images,
// all at once where possible. It puts the blobs into w as the engine gives them.
func (s *Source) Export(ctx context.Context, o *transfer.Offer, p *transfer.Plan, w transfer.BlobWriter) (*transfer.Index, error) {
	var take []*transfer.Image
	for i := range o.Images {
		if p.Images[i].Status == transfer.Take {
			take = append(take, &o.Images[i])
		}
	}
	if o.DryRun || len(take) == 0 {
		return &transfer.Index{}, nil
	}
	if s.stored != nil {
		for _, m := range take {
			s.report(m, "read", s.e.store.String())
		}
		return s.stored.Export(ctx, o, p, w)
	}
	x := &export{s: s, plan: p, w: &transfer.ErrorWriter{W: w}, drop: transfer.Unneeded(o, p), done: map[digest.Digest]*transfer.IndexImage{}}
	return x.run(ctx, take)
}

func (s *Source) report(m *transfer.Image, exporter, why string) {
	if s.OnExport != nil {
		s.OnExport(m, exporter, why)
	}
}

// An export is one round of a source whose images are pushed or saved.
type export struct {
	s    *Source
	plan *transfer.Plan
	w    *transfer.ErrorWriter                  // its error is one that no other way of exporting can mend
	drop map[digest.Digest]bool                 // blobs that the sink has, and those that were put
	done map[digest.Digest]*transfer.IndexImage // by image ID
}

func (x *export) run(ctx context.Context, take []*transfer.Image) (*transfer.Index, error) {
	var save []*transfer.Image
	for _, m := range take {
		if len(m.Layers) == 0 && !x.s.e.savesEmpty {
			if err := x.configAlone(ctx, m); err != nil {
				return nil, err
			}
			continue
		}
		pushed, err := x.push(ctx, m)
		if err != nil {
			return nil, err
		}
		if !pushed {
			save = append(save, m)
		}
	}
	for _, batch := range x.batches(save) {
		err := x.save(ctx, batch)
		if err != nil && x.w.Err == nil && strings.Contains(err.Error(), noZstdSave) {
			err = x.pushSaved(ctx, batch)
		}
		if err != nil {
			return nil, err
		}
	}
	index := &transfer.Index{}
	for _, m := range take {
		index.Images = append(index.Images, *x.done[m.ID])
	}
	return index, nil
}

// noZstdSave is why Podman 4.3 does not save an image with layers in zstd, as a part
// of its error.
const noZstdSave = "zstd compression is not supported for docker images"

// pushSaved makes the engine push images that it cannot save.
func (x *export) pushSaved(ctx context.Context, images []*transfer.Image) error {
	for _, m := range images {
		if err := x.pushLayers(ctx, m); err != nil {
			return failed("push "+m.Name(), err)
		}
		x.s.report(m, "push", noZstdSave)
	}
	return nil
}

// push makes the engine push the missing layers of an image, where that is faster. It reports
// false for an image that is left to save: also after a push that failed, whose
// layers that were put are in drop.
func (x *export) push(ctx context.Context, m *transfer.Image) (bool, error) {
	pushes, why := x.pushesLayers(m)
	if !pushes {
		x.s.report(m, "save", why)
		return false, nil
	}
	err := x.pushLayers(ctx, m)
	switch {
	case err == nil:
		x.s.report(m, "push", why)
		return true, nil
	case ctx.Err() != nil:
		return false, failed("push "+m.Name(), ctx.Err())
	case x.w.Err != nil:
		return false, x.w.Err
	}
	x.s.report(m, "save", "no push: "+cleanMessage(err.Error()))
	return false, nil
}

// configAlone puts the config of an image without layers. A classic store does not
// save one ("empty export - not implemented", seen on 20.10.24 and 28.5.2), and
// BuildKit knows images by name.
func (x *export) configAlone(ctx context.Context, m *transfer.Image) error {
	op := "ask for the config of " + m.Name()
	l := x.s.found[m.ID]
	if len(l.inspect.RepoTags) == 0 {
		return failed(op, errors.New("the engine gives an image without layers only under a name, and this one has none"))
	}
	ref, err := store.ParseName(l.inspect.RepoTags[0])
	if err != nil {
		return failed(op, err)
	}
	b, err := x.s.e.askConfig(ctx, l, ref.String())
	if err != nil {
		return failed(op, err)
	}
	x.s.report(m, "read", "it has no layers")
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: m.ID, Size: int64(len(b))}
	x.done[m.ID] = &transfer.IndexImage{ID: m.ID, Config: d}
	return x.w.Put(ctx, d, bytes.NewReader(b))
}

// batches splits images into those that one save can hold.
func (x *export) batches(images []*transfer.Image) [][]*transfer.Image {
	var out [][]*transfer.Image
	for _, m := range images {
		i := slices.IndexFunc(out, func(batch []*transfer.Image) bool {
			return savetar.Together(x.s.e.saveFormat, append(batch[:len(batch):len(batch)], m))
		})
		if i < 0 {
			i, out = len(out), append(out, nil)
		}
		out[i] = append(out[i], m)
	}
	return out
}

// save saves images, all in one. A classic store and Podman give nothing before they have
// written all of it to their disk, 2 to 3 s for 614 MB. To have the lowest layers saved by
// themselves meanwhile, as a temporary image, is not worth its while: the engine exports
// them twice. Seconds from a classic store of 28.5.2 to another, two cores for both, without
// and with it: 614 MB at 1 Gbit/s 10.9 and 11.4 (medians of nine), with an image whose lowest
// layer is the last one of a save 9.1 and 8.5 (means of two), 307 MB at 100 Mbit/s 15.0 and
// 14.5 (medians of three).
func (x *export) save(ctx context.Context, images []*transfer.Image) error {
	op := "save " + images[0].Name()
	ids := make([]string, len(images))
	for i, m := range images {
		ids[i] = m.ID.String()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a save that is not read to its end
	body, err := x.s.e.api.ImageSave(ctx, ids)
	if err != nil {
		return failed(op, err)
	}
	defer body.Close()
	r := savetar.NewReader(x.s.e.saveFormat, images, x.drop, x.w)
	if err := r.Read(ctx, &saveBody{body, op}); err != nil {
		if x.w.Err != nil {
			return x.w.Err
		}
		return failed(op, err)
	}
	for _, m := range images {
		if x.done[m.ID], err = r.Index(m); err != nil {
			return failed("save "+m.Name(), err)
		}
	}
	return nil
}

// saveBody is the body of a save. Its read errors are of [transfer.KindEngine].
type saveBody struct {
	r  io.Reader
	op string
}

func (b *saveBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = failed(b.op, savetar.Truncated(err))
	}
	return n, err
}

// saveOnly returns why the engine can only save images, or "".
func (s *Source) saveOnly() string {
	if !s.e.keepsBlobs {
		return ""
	}
	return fmt.Sprintf("%s, which serves no content: %v", s.e.store, s.unread)
}
