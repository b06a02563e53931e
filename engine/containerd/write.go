package containerd

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/contentstore"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	// chunk is how much of a blob is written in one call, in bytes.
	chunk = 1 << 20
	// lockPoll is how often it is looked whether another writer of the same blob
	// has ended.
	lockPoll = 50 * time.Millisecond
)

// A writable is the store during a transfer into it. It is used by one goroutine
// at a time, but for unpack.
type writable struct {
	*Store
	lease   *lease
	content blobs                   // as it was listed
	added   map[digest.Digest]int64 // since then, by size
	configs map[digest.Digest]digest.Digest
	unpack  *unpacker
	report  func(layer digest.Digest, part float64) // see [transfer.Loader]
}

var (
	_ catalog.Store       = (*writable)(nil)
	_ catalog.LayerFinder = (*writable)(nil)
	_ catalog.Keeper      = (*writable)(nil)
	_ catalog.Finisher    = (*writable)(nil)
)

// refresh lists the content anew: all blobs, also those that nothing refers to, such
// as a failed try leaves.
func (w *writable) refresh(ctx context.Context) error {
	all, err := contentstore.List(ctx, w.client.ContentStore())
	if err != nil {
		return failed("list the content", err)
	}
	w.content, w.added = blobs{all}, map[digest.Digest]int64{}
	return nil
}

// Size returns the size of a blob, and whether it is there.
func (w *writable) Size(d digest.Digest) (int64, bool) {
	if n, ok := w.added[d]; ok {
		return n, true
	}
	return w.content.Size(d)
}

// Open opens a blob.
func (w *writable) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	size, ok := w.Size(d)
	if !ok {
		return nil, unreadable(ctx, d, errdefs.ErrNotFound)
	}
	return w.content.OpenBlob(ctx, d, size, unreadable)
}

// Layers returns the blobs of layers by what they unpack to.
func (w *writable) Layers(ctx context.Context, diffIDs []digest.Digest) (map[digest.Digest]ocispec.Descriptor, error) {
	return w.content.Layers(ctx, diffIDs)
}

// List returns the images.
func (w *writable) List(ctx context.Context) ([]catalog.Entry, error) {
	list, err := w.images.List(ctx)
	if err != nil {
		return nil, failed("list the images", err)
	}
	return entries(list), nil
}

// Put writes a blob, unless it is here, and tells the unpacker.
func (w *writable) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	if w.unpack != nil {
		if err := w.unpack.failure(); err != nil {
			return err
		}
	}
	src := &transfer.ErrorReader{R: r}
	in := bufio.NewReaderSize(src, layout.SniffLen)
	head, _ := in.Peek(layout.SniffLen)
	media := layout.Sniff(head)
	err := w.put(ctx, d, in)
	switch {
	case src.Err != nil:
		return src.Err
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return failed("write a blob", err)
	}
	w.added[d.Digest] = d.Size
	if w.unpack != nil {
		w.unpack.arrived(ocispec.Descriptor{MediaType: media, Digest: d.Digest, Size: d.Size})
	}
	return nil
}

// put writes a blob. When it fails it leaves no part of it.
func (w *writable) put(ctx context.Context, d ocispec.Descriptor, r io.Reader) (err error) {
	ref := "imgsend-" + d.Digest.String()
	out, err := w.open(ctx, ref, d)
	if errdefs.IsAlreadyExists(err) {
		_, err = io.Copy(io.Discard, r)
		return err
	}
	if err != nil {
		return err
	}
	defer func() {
		_ = out.Close()
		if err == nil {
			return
		}
		// The digest of half a blob says nothing, and the source begins each blob
		// anew: there is nothing to go on with.
		ctx, cancel := cleanupContext(ctx)
		defer cancel()
		_ = w.client.ContentStore().Abort(ctx, ref)
	}()
	whole, err := out.begin(d.Size)
	switch {
	case err != nil:
		return err
	case whole:
		// Another namespace has it, or an earlier try was killed just before its end.
		_, err = io.Copy(io.Discard, r)
	default:
		err = w.copy(ctx, out, r)
	}
	if err != nil {
		return err
	}
	err = out.Commit(ctx, d.Size, d.Digest)
	if errdefs.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// copy copies r, and opens the writer again when its lease has been followed by
// another.
func (w *writable) copy(ctx context.Context, out *writer, r io.Reader) error {
	buf := make([]byte, chunk)
	for {
		n, rerr := io.ReadFull(r, buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
			out.written += int64(n)
		}
		switch {
		case rerr == io.EOF, rerr == io.ErrUnexpectedEOF:
			return nil
		case rerr != nil:
			return rerr
		}
		if w.unpack != nil {
			if err := w.unpack.failure(); err != nil {
				return err
			}
		}
		_, id, err := w.lease.within(ctx)
		if err != nil {
			return err
		}
		if id != out.lease {
			if err := w.reopen(ctx, out); err != nil {
				return err
			}
		}
	}
}

// A writer writes one blob.
type writer struct {
	content.Writer
	ref     string
	desc    ocispec.Descriptor
	lease   string // that it is open for
	written int64
}

// begin reports whether the whole blob is there already, to be committed. Otherwise
// it has the writer start anew.
func (w *writer) begin(size int64) (whole bool, err error) {
	st, err := w.Status()
	if err != nil {
		return false, err
	}
	if st.Offset == size && size > 0 {
		return true, nil
	}
	return false, w.Truncate(0)
}

// open opens a writer for a blob. It waits while another one has it open: that of
// another program, or of one whose end containerd has not noticed yet. Its
// error is errdefs.ErrAlreadyExists if the blob is there; then the lease holds it.
func (w *writable) open(ctx context.Context, ref string, d ocispec.Descriptor) (*writer, error) {
	ctx, id, err := w.lease.within(ctx)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		out, err := w.client.ContentStore().Writer(ctx, content.WithRef(ref), content.WithDescriptor(d))
		if err == nil {
			return &writer{Writer: out, ref: ref, desc: d, lease: id}, nil
		}
		if !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), "locked") {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// reopen has a writer go on for the lease of now.
func (w *writable) reopen(ctx context.Context, out *writer) error {
	_ = out.Close()
	again, err := w.open(ctx, out.ref, out.desc)
	if err != nil {
		return err
	}
	st, err := again.Status()
	if err != nil {
		_ = again.Close()
		return err
	}
	if st.Offset != out.written {
		_ = again.Close()
		return errors.New("containerd has lost a part of a blob")
	}
	again.written = out.written
	*out = *again
	return nil
}
