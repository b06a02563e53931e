package containerd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/imgsend/imgsend/engine/catalog"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The label by which Kubernetes knows its images (containerd's
// internal/cri/labels, and "ctr -n k8s.io images import").
const (
	managedLabel = "io.cri-containerd.image"
	managed      = "managed"
)

// entries returns what image records say. A record whose name is not one that can
// be given, such as an ID or a name with a digest, is one without a name.
func entries(list []images.Image) []catalog.Entry {
	out := make([]catalog.Entry, len(list))
	for i, m := range list {
		name, err := layout.ShortName(m.Name)
		if err != nil || isID(m.Name) {
			name = ""
		}
		out[i] = catalog.Entry{Name: name, Root: ocispec.Descriptor{MediaType: m.Target.MediaType, Digest: m.Target.Digest, Size: m.Target.Size}}
	}
	return out
}

// isID reports whether a record is named by an ID: "sha256:0bc4…" would be a name,
// too, with a tag.
func isID(name string) bool { return digest.Digest(name).Validate() == nil }

// fullName returns a name as records have it: "docker.io/library/webapp:1.0".
func fullName(short string) (string, error) {
	n, err := reference.ParseNormalizedNamed(short)
	if err != nil {
		return "", &transfer.Error{Kind: transfer.KindRefused, Err: fmt.Errorf("%q is not an image name: %w", short, err)}
	}
	return reference.TagNameOnly(n).String(), nil
}

// nameTries bounds how often the names are looked up again because somebody else
// has given one of them meanwhile.
const nameTries = 3

// Update gives names: all or none. An image without one gets a record that is
// named by its ID, as do all in Kubernetes' namespace.
func (w *writable) Update(ctx context.Context, change func([]catalog.Entry) ([]catalog.Entry, error)) error {
	for try := 1; ; try++ {
		now, err := w.images.List(ctx)
		if err != nil {
			return failed("list the images", err)
		}
		wanted, err := change(entries(now))
		if err != nil {
			return err
		}
		records, err := w.records(wanted)
		if err != nil {
			return err
		}
		err = w.record(ctx, now, records)
		if try < nameTries && (errdefs.IsAlreadyExists(err) || errdefs.IsNotFound(err)) {
			continue
		}
		return err
	}
}

// records returns the records for entries: those named by an ID first.
func (w *writable) records(list []catalog.Entry) ([]images.Image, error) {
	kube := w.namespace == kubeNamespace
	var labels map[string]string
	if kube {
		labels = map[string]string{managedLabel: managed}
	}
	var ids, named []images.Image
	for _, e := range list {
		if id := w.configs[e.Root.Digest]; id != "" && (kube || e.Name == "") {
			ids = append(ids, images.Image{Name: id.String(), Target: e.Root, Labels: labels})
		}
		if e.Name == "" {
			continue
		}
		name, err := fullName(e.Name)
		if err != nil {
			return nil, err
		}
		named = append(named, images.Image{Name: name, Target: e.Root, Labels: labels})
	}
	ids = slices.CompactFunc(ids, func(a, b images.Image) bool { return a.Name == b.Name })
	return append(ids, named...), nil
}

// A step is one record that was written. old is what it was before; without a
// name, none.
type step struct{ old, new images.Image }

// record writes records. Once it has begun, an interrupt does not stop it: it takes
// as long as containerd needs, at most cleanupTime for each.
func (w *writable) record(ctx context.Context, now, records []images.Image) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	before := map[string]images.Image{}
	for _, m := range now {
		before[m.Name] = m
	}
	var done []step
	for _, m := range records {
		old, exists := before[m.Name]
		if exists && m.Labels[managedLabel] == old.Labels[managedLabel] {
			// An ID is that of any manifest with this config.
			if isID(m.Name) || old.Target.Digest == m.Target.Digest {
				continue
			}
		}
		err := w.write(ctx, m, old)
		if err == nil || !errdefs.IsAlreadyExists(err) {
			done = append(done, step{old, m}) // also if it is not known whether it was written
		}
		if err != nil {
			return w.undo(ctx, done, failed("name "+m.Name, err))
		}
		before[m.Name] = m
	}
	return nil
}

// write writes one record. What old, the record of that name, refers to is held by
// the lease, so that undo finds it; without a name, there is none.
func (w *writable) write(ctx context.Context, m, old images.Image) error {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	if old.Name == "" {
		_, err := w.images.Create(ctx, m)
		return err
	}
	if err := w.lease.keep(ctx, old.Target.Digest); err != nil {
		return err
	}
	fields := []string{"target"}
	for label := range m.Labels {
		fields = append(fields, "labels."+label)
	}
	_, err := w.images.Update(ctx, m, fields...)
	return err
}

// undo removes the given names again after err, the last one first. If names remain it
// returns an error that lists them.
func (w *writable) undo(ctx context.Context, done []step, err error) error {
	var left []images.Image
	for _, s := range slices.Backward(done) {
		if !w.back(ctx, s) {
			left = append(left, s.new)
		}
	}
	if len(left) == 0 {
		return err
	}
	slices.Reverse(left)
	names := make([]string, len(left))
	for i, m := range left {
		names[i] = m.Name
	}
	return &remainError{store.Remain(err, names), left}
}

// back restores a record, unless somebody else has changed it since.
func (w *writable) back(ctx context.Context, s step) bool {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	now, err := w.images.Get(ctx, s.new.Name)
	switch {
	case errdefs.IsNotFound(err), err == nil && now.Target.Digest != s.new.Target.Digest:
		return true
	case err != nil:
	case s.old.Name == "":
		err = w.images.Delete(ctx, s.new.Name)
	default:
		_, err = w.images.Update(ctx, s.old, "target", "labels")
	}
	return err == nil || errdefs.IsNotFound(err)
}

// A remainError is a failure to give names, some of which could not be removed again.
type remainError struct {
	error
	records []images.Image
}

func (e *remainError) Unwrap() error { return e.error }

// remained returns the arrivals that err says remain, or nil.
func remained(err error, o *transfer.Offer) *transfer.Outcome {
	var left *remainError
	if !errors.As(err, &left) {
		return nil
	}
	root := map[string]digest.Digest{}
	for _, m := range left.records {
		root[m.Name] = m.Target.Digest
	}
	out := &transfer.Outcome{}
	for _, m := range o.Images {
		a := transfer.Arrival{ID: m.ID}
		for _, ref := range m.Refs {
			name, err := fullName(ref)
			if d, ok := root[name]; ok && err == nil {
				a.New, a.Names = d, append(a.Names, transfer.Name{Ref: ref})
			}
		}
		if len(a.Names) > 0 {
			out.Images = append(out.Images, a)
		}
	}
	return out
}
