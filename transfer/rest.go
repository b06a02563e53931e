package transfer

import (
	"context"
	"errors"
	"io"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// part has a copy go on alone with what it lacks. h.mu is held.
func (h *Hub) part(t *Tap, why string) {
	t.state = apart
	t.seeking.Store(true)
	t.rest.Go(func() { t.resume(why) })
	h.endUnused()
}

// resume gives the copy what it still lacks, out of a source of its own.
func (t *Tap) resume(why string) {
	t.alone(why)
	x, err := t.exportRest(why)
	t.seeking.Store(false)
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	t.push(piece{over: true, index: x, err: err})
}

// exportRest exports until there is nothing left that the copy lacks. A source may give a
// blob before the rest of the one that the hub has left off in: that has to come again.
func (t *Tap) exportRest(why string) (*Index, error) {
	for {
		if _, err := t.reopen(t.copying, why); err != nil {
			return nil, err
		}
		w := &restWriter{t: t}
		x, err := t.own.Export(t.ctx, t.offer, t.remaining(), w)
		switch {
		case err != nil:
			return nil, err
		case t.open != nil:
			return nil, &Error{Kind: KindEngine, Err: errors.New("the engine does not give blob " + t.open.Digest.String() + " once more")}
		case !w.passed:
			t.describe(x)
			return x, nil
		}
	}
}

// remaining returns the plan of what the copy still lacks.
func (t *Tap) remaining() *Plan {
	p := &Plan{Images: slices.Clone(t.plan.Images), KnowsSizes: t.plan.KnowsSizes}
	for i := range p.Images {
		ip := &p.Images[i]
		ip.Have = slices.Clone(ip.Have)
		for j := range ip.Have {
			_, given := t.given[t.offer.Images[i].Layers[j].Digest]
			ip.Have[j] = ip.Have[j] || given
		}
	}
	return p
}

// describe puts the layers that the copy was given into an index that may describe them
// as some that it had.
func (t *Tap) describe(x *Index) {
	for i := range x.Images {
		layers := slices.Clone(x.Images[i].Layers)
		for j, l := range layers {
			if d, ok := t.given[l.Digest]; ok {
				layers[j] = d
			}
		}
		x.Images[i].Layers = layers
	}
}

// reopen opens a source of the copy's own and returns its offer, which is the hub's. The
// source is used until the copy ends, and so is ctx. why is for the
// error if the copy cannot go on alone.
func (t *Tap) reopen(ctx context.Context, why string) (*Offer, error) {
	if own := t.own; own != nil {
		t.own = nil
		if err := own.Close(nil); err != nil {
			return nil, err
		}
	}
	if t.hub.again == nil {
		return nil, &Error{Kind: KindBroken, Err: errors.New("this copy would have to go on alone, as " + why + ", and the images can be read only once here"),
			Hint: "repeat it for this one alone"}
	}
	src, err := t.hub.again(ctx)
	if err != nil {
		return nil, err
	}
	t.own = src
	o, err := src.Next(ctx)
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case err == io.EOF, !sameImages(o, t.hub.offer):
		return nil, &Error{Kind: KindEngine, Err: errors.New("the images have changed here meanwhile"), Hint: "repeat it for this one alone"}
	}
	return o, nil
}

// sameImages reports whether two offers are of the same images.
func sameImages(a, b *Offer) bool {
	return slices.EqualFunc(a.Images, b.Images, func(a, b Image) bool { return a.ID == b.ID && slices.Equal(a.Refs, b.Refs) })
}

// A restWriter passes on what a copy lacks.
type restWriter struct {
	t      *Tap
	passed bool // a blob that the copy lacks, which has to come again
}

func (w *restWriter) Put(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	t := w.t
	_, given := t.given[desc.Digest]
	inside := t.open != nil && t.open.Digest == desc.Digest
	switch {
	case inside:
		if _, err := io.CopyN(io.Discard, w.skipping(r), t.pushed); err != nil {
			return w.broken(err)
		}
	case given || t.open != nil:
		w.passed = w.passed || !given
		_, err := io.Copy(io.Discard, w.skipping(r))
		return err
	default:
		stored, _ := r.(StoredBlob)
		t.locked(func() { t.begin(desc, stored) })
	}
	t.seeking.Store(false)
	return w.pass(ctx, r)
}

// pass passes the rest of a blob on.
func (w *restWriter) pass(ctx context.Context, r io.Reader) error {
	t := w.t
	for {
		c := t.hub.chunk()
		rerr := c.fill(r, func(int) {})
		if err := t.waitForRoom(ctx); err != nil {
			return err
		}
		t.locked(func() {
			c.refs = 1
			t.give(c)
			t.hub.release(c)
		})
		switch rerr {
		case nil:
			continue
		case io.EOF:
			t.locked(func() { t.end(nil) })
			return nil
		}
		return w.broken(rerr)
	}
}

// broken ends the blob with an error.
func (w *restWriter) broken(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	w.t.locked(func() { w.t.end(err) })
	return err
}

// waitForRoom waits until the copy has taken a chunk, if it has as many as it may.
func (t *Tap) waitForRoom(ctx context.Context) error {
	for {
		full := false
		t.locked(func() { full = t.chunks == maxChunks })
		if !full {
			return nil
		}
		select {
		case <-t.room:
		case <-ctx.Done():
			return ctx.Err()
		case <-t.ctx.Done(): // whatever the source makes of its own
			return t.ctx.Err()
		}
	}
}

// locked calls f with hub.mu held.
func (t *Tap) locked(f func()) {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	f()
}

// skipping returns r, whose bytes get to no copy.
func (w *restWriter) skipping(r io.Reader) io.Reader { return skippingReader{r, w.t} }

type skippingReader struct {
	r io.Reader
	t *Tap
}

func (s skippingReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.t.skipped.Add(int64(n))
	return n, err
}
