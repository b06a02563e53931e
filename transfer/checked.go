package transfer

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxBlobs limits the number of blobs of a round, which are counted in memory.
const maxBlobs = 1 << 18

// checkedWriter verifies each blob on its way into the sink, and drops blobs that the
// sink has already taken in this round. A blob that exceeds the budget does not reach the
// sink.
type checkedWriter struct {
	dst   BlobWriter
	prog  *Progress
	dog   *watchdog
	most  *budget
	exact bool // count in prog only the layers that the plan wants
	seen  map[digest.Digest]bool
	image map[digest.Digest]int32 // see imageOf
	bytes int64
}

func (w *checkedWriter) Put(ctx context.Context, desc ocispec.Descriptor, r io.Reader) error {
	w.prog.Enter(Moving)
	if i := w.image[desc.Digest]; i > 0 {
		w.prog.Image.Store(i)
	}
	name := desc.Digest.String()
	w.dog.blob.Store(&name)
	w.dog.turn(owesRoom)
	defer w.dog.turn(owesBlob)
	counts := !w.exact || w.image[desc.Digest] > 0 && !w.seen[desc.Digest]
	v, err := verify(&countingReader{r, w.prog, w.dog, counts}, desc)
	if err != nil {
		return err
	}
	v.stored, _ = r.(StoredBlob)
	if err := w.most.passes(desc); err != nil {
		return err
	}
	if w.seen[desc.Digest] {
		return v.finish()
	}
	if len(w.seen) == maxBlobs {
		return Broken("more than %d blobs in one round", maxBlobs)
	}
	if err := w.most.take(desc); err != nil {
		return err
	}
	w.seen[desc.Digest] = true
	if err := w.dst.Put(ctx, desc, v); err != nil {
		if v.err != nil {
			// The sink failed because the blob did.
			return v.err
		}
		return err
	}
	w.bytes += desc.Size
	return v.finish()
}

// complete returns an error for a blob that the index needs and that was neither copied
// nor is at the sink. Engines have been seen to leave out layers silently.
func (w *checkedWriter) complete(o *Offer, p *Plan, x *Index) error {
	n := 0
	for i, ip := range p.Images {
		if ip.Status != Take {
			continue
		}
		m := &x.Images[n]
		n++
		need := []ocispec.Descriptor{m.Config}
		if m.Root != nil {
			need = append(need, *m.Root)
		}
		for j, l := range m.Layers {
			if !ip.Have[j] {
				need = append(need, l)
			}
		}
		for _, d := range need {
			if !w.seen[d.Digest] {
				return &Error{Kind: KindEngine, Op: "export " + o.Images[i].Name(),
					Err: fmt.Errorf("blob %s is missing from the export", d.Digest)}
			}
		}
	}
	return nil
}

// skipped returns the bytes of the layers that the index lists and that were not copied.
func (w *checkedWriter) skipped(x *Index) int64 {
	var n int64
	counted := map[digest.Digest]bool{}
	for _, m := range x.Images {
		for _, l := range m.Layers {
			if !w.seen[l.Digest] && !counted[l.Digest] {
				counted[l.Digest] = true
				n += l.Size
			}
		}
	}
	return n
}

// A countingReader reads a blob from the source and counts its bytes. During a read the
// watchdog waits for the source, between reads for the sink.
type countingReader struct {
	r    io.Reader
	prog *Progress
	dog  *watchdog

	counts bool // in prog
}

func (c *countingReader) Read(p []byte) (int, error) {
	c.dog.turn(owesRest)
	n, err := c.r.Read(p)
	c.dog.turn(owesRoom)
	c.dog.read.Add(int64(n))
	if c.counts {
		c.prog.Done.Add(int64(n))
	}
	return n, err
}
