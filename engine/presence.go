package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A presence says which layers of some images an engine has.
type presence struct {
	have [][]bool // by image and layer; nil for an image of which nothing is known
	// own are the blobs, by DiffID, that go into manifests which are made here:
	// those that a containerd store has of layers of images without a manifest of
	// their own, mostly under another digest than is offered; and what Podman has,
	// as far as it knows their sizes.
	own   map[digest.Digest]ocispec.Descriptor
	probe *probe // keeps the blobs; may be nil; the caller removes it
}

// layers looks for the layers of the images.
func (e *Engine) layers(ctx context.Context, images []*transfer.Image) (*presence, error) {
	p := &presence{have: make([][]bool, len(images))}
	if e.store != Containerd {
		all, err := e.locals(ctx)
		if err != nil {
			return nil, err
		}
		inv, here := e.inventory(all), map[digest.Digest]bool{}
		for i, m := range images {
			p.have[i] = inv.layers(m)
			for j, have := range p.have[i] {
				if have {
					here[m.Layers[j].DiffID] = true
				}
			}
		}
		if e.store == Podman {
			p.own, err = e.ownBlobs(ctx, all, here)
		}
		return p, err
	}
	if !e.canProbe() {
		return p, nil
	}
	own, err := e.unlisted(ctx, images)
	if err != nil {
		return nil, err
	}
	var blobs []digest.Digest
	asked := map[digest.Digest]bool{}
	ask := func(d digest.Digest) {
		if d != "" && !asked[d] {
			asked[d] = true
			blobs = append(blobs, d)
		}
	}
	for _, m := range images {
		for _, l := range m.Layers {
			ask(l.Digest)
			ask(own[l.DiffID].Digest)
		}
	}
	if len(blobs) == 0 {
		return p, nil
	}
	var have map[digest.Digest]bool
	if p.probe, have, err = e.probe(ctx, blobs); err != nil {
		return nil, err
	}
	p.own = map[digest.Digest]ocispec.Descriptor{}
	for i, m := range images {
		p.have[i] = make([]bool, len(m.Layers))
		for j, l := range m.Layers {
			p.have[i][j] = have[l.Digest]
			mine := own[l.DiffID]
			if m.Root == "" && have[mine.Digest] && (!have[l.Digest] || mine.Digest == l.Digest) {
				p.have[i][j], p.own[l.DiffID] = true, mine
			}
		}
	}
	return p, nil
}

// unlisted returns the blobs that a containerd store may have, by DiffID, of the
// layers of images that have no manifest.
func (e *Engine) unlisted(ctx context.Context, images []*transfer.Image) (map[digest.Digest]ocispec.Descriptor, error) {
	wanted := map[digest.Digest]bool{}
	for _, m := range images {
		if m.Root != "" {
			continue
		}
		for _, l := range m.Layers {
			wanted[l.DiffID] = true
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	all, err := e.locals(ctx)
	if err != nil {
		return nil, err
	}
	return e.ownBlobs(ctx, all, wanted)
}

// ownBlobs returns the blobs of the wanted layers, by DiffID, that an engine has
// in images of its own, as far as they can be learnt. It takes them out of wanted.
func (e *Engine) ownBlobs(ctx context.Context, all []*local, wanted map[digest.Digest]bool) (map[digest.Digest]ocispec.Descriptor, error) {
	own := map[digest.Digest]ocispec.Descriptor{}
	for len(wanted) > 0 {
		// The one that shares most: describing takes a tenth of a second.
		var best *local
		most := 0
		for _, l := range all {
			n := 0
			for _, d := range l.diffIDs() {
				if wanted[d] {
					n++
				}
			}
			if n > most {
				best, most = l, n
			}
		}
		if best == nil {
			break
		}
		blobs, err := e.layerBlobs(ctx, best)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil || len(blobs) == 0 {
			all = slices.DeleteFunc(all, func(l *local) bool { return l == best })
			continue
		}
		for i, d := range best.diffIDs() {
			if wanted[d] {
				own[d] = blobs[i]
				delete(wanted, d)
			}
		}
	}
	return own, nil
}

// layerBlobs returns what a containerd store keeps of the layers of an image,
// nothing of one that is gone meanwhile; of Podman the uncompressed layers,
// nothing if it does not tell their sizes.
func (e *Engine) layerBlobs(ctx context.Context, l *local) ([]ocispec.Descriptor, error) {
	if e.store == Podman {
		sizes, exact, err := e.layerSizes(ctx, l)
		if err != nil || !exact {
			return nil, err
		}
		blobs := make([]ocispec.Descriptor, len(sizes))
		for i, d := range l.diffIDs() {
			blobs[i] = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: d, Size: sizes[i]}
		}
		return blobs, nil
	}
	tree, err := e.describePush(ctx, l)
	if err != nil {
		if _, gone := e.find(ctx, l.id.String()); errdefs.IsNotFound(gone) {
			return nil, nil
		}
		return nil, err
	}
	manifest := tree.Find(l.id, platformOf(l), len(l.inspect.RootFS.Layers))
	if manifest == nil {
		return nil, errors.New("the engine pushed no manifest of it")
	}
	return manifest.Layers, nil
}
