package folder

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"
)

// A Sink takes images into a folder.
type Sink struct {
	*catalog.Sink
	into *writer
}

var _ transfer.Sink = (*Sink)(nil)

// NewSink returns a sink into the folder dir, which it makes an OCI image layout
// if it does not exist or is empty. The caller must call Close.
func NewSink(dir string) (*Sink, error) {
	if err := prepare(dir); err != nil {
		return nil, store.Failed("prepare "+dir, err)
	}
	storage, err := oci.NewStorage(dir)
	if err != nil {
		return nil, store.Failed("open "+dir, err)
	}
	writes, err := share(filepath.Join(dir, writersFile))
	if err != nil {
		return nil, store.Failed("open "+dir, err)
	}
	s := &writer{blobs: blobs(dir), storage: storage, writes: writes}
	return &Sink{Sink: catalog.NewSink(s), into: s}, nil
}

// Close ends the copy and the writing into the folder.
func (s *Sink) Close(err error) error { return errors.Join(s.Sink.Close(err), s.into.close()) }

// A writer is a folder that is written into.
type writer struct {
	blobs
	storage *oci.Storage
	// writes releases the lock that all who write here share.
	writes func()
}

var _ catalog.Store = (*writer)(nil)

func (w *writer) String() string { return string(w.blobs) }

// Put writes a blob, unless it is here.
func (w *writer) Put(ctx context.Context, d ocispec.Descriptor, r io.Reader) error {
	body := &transfer.ErrorReader{R: r}
	err := w.storage.Push(ctx, d, body)
	switch {
	case errors.Is(err, errdef.ErrAlreadyExists):
		_, err = io.Copy(io.Discard, r)
		return err
	case body.Err != nil:
		return body.Err
	case err != nil:
		return store.Failed("write "+w.String(), err)
	}
	return nil
}

// List returns the entries of index.json.
func (w *writer) List(context.Context) ([]catalog.Entry, error) {
	index, err := readIndex(w.String())
	return entries(index), err
}

// Update changes index.json under its lock.
func (w *writer) Update(_ context.Context, change func([]catalog.Entry) ([]catalog.Entry, error)) error {
	unlock, err := lock(filepath.Join(w.String(), lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	index, err := readIndex(w.String())
	if err != nil {
		return err
	}
	list, err := change(entries(index))
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Name == "" {
			add(&index, e.Root)
			continue
		}
		if err := give(&index, e.Root, e.Name); err != nil {
			return err
		}
	}
	return replace(filepath.Join(w.String(), ocispec.ImageIndexFile), index)
}

// entries returns what an index.json lists. What has no valid name has none.
func entries(index ocispec.Index) []catalog.Entry {
	var out []catalog.Entry
	for _, d := range index.Manifests {
		name, err := layout.NameOf(d)
		if err != nil {
			name = ""
		}
		out = append(out, catalog.Entry{Name: name, Root: ocispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}})
	}
	return out
}

// give makes ref the name of root. An image that loses its last name so stays,
// without one; root itself is listed without a name no longer.
func give(index *ocispec.Index, root ocispec.Descriptor, ref string) error {
	d, err := layout.Named(root, ref)
	if err != nil {
		return &transfer.Error{Kind: transfer.KindRefused, Err: err}
	}
	var loser *ocispec.Descriptor
	var kept []ocispec.Descriptor
	for _, e := range index.Manifests {
		name, err := layout.NameOf(e)
		switch {
		case err == nil && name == d.Annotations[ocispec.AnnotationRefName]:
			if e.Digest != root.Digest {
				loser = &ocispec.Descriptor{MediaType: e.MediaType, Digest: e.Digest, Size: e.Size, Platform: e.Platform}
			}
		case e.Digest == root.Digest && err == nil && name == "":
		default:
			kept = append(kept, e)
		}
	}
	kept = append(kept, d)
	index.Manifests = kept
	if loser != nil {
		add(index, *loser)
	}
	return nil
}

// add lists an image without a name, unless it is listed.
func add(index *ocispec.Index, root ocispec.Descriptor) {
	for _, e := range index.Manifests {
		if e.Digest == root.Digest {
			return
		}
	}
	index.Manifests = append(index.Manifests, root)
}

// close removes half-written blobs, its own and those of killed programs, unless
// somebody else is writing just now: then that one does it. Content/oci leaves
// the temporary file of a blob that fails (seen on 2.7.0). Whole blobs that no
// image lists stay, for the next time.
func (w *writer) close() error {
	if w.writes == nil {
		return nil
	}
	w.writes()
	w.writes = nil
	unlock, err := try(filepath.Join(w.String(), writersFile))
	if err != nil {
		return nil
	}
	defer unlock()
	return os.RemoveAll(filepath.Join(w.String(), "ingest"))
}
