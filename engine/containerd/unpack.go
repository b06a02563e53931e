package containerd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/labels"
	"github.com/containerd/errdefs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// An unpacker makes snapshots of layers while later ones are still coming: one at a
// time, each on top of those below it. Containerd finds out what a blob unpacks to
// while it does so.
type unpacker struct {
	store       *writable
	snapshotter string
	snapshots   snapshots.Snapshotter
	differ      diff.Applier

	stop context.CancelFunc
	done chan struct{} // closed when run has ended

	mu     sync.Mutex
	here   map[digest.Digest]ocispec.Descriptor // blobs; media types may be missing
	change chan struct{}                        // closed when here or last changes
	last   bool                                 // no more blobs come
	err    error                                // why run has failed
}

// A chain is the layers of an image, bottom first.
type chain []transfer.Layer

func (c chain) diffIDs() []digest.Digest {
	out := make([]digest.Digest, len(c))
	for i, l := range c {
		out[i] = l.DiffID
	}
	return out
}

// newUnpacker starts to unpack chains as their blobs come. here are those that are
// there. The caller must call finish or abort.
func (w *writable) newUnpacker(ctx context.Context, chains []chain, here map[digest.Digest]ocispec.Descriptor) (*unpacker, error) {
	name, err := w.snapshotter(ctx)
	if err != nil {
		return nil, err
	}
	u := &unpacker{store: w, snapshotter: name, snapshots: w.client.SnapshotService(name), differ: w.client.DiffService(),
		done: make(chan struct{}), here: here, change: make(chan struct{})}
	ctx, u.stop = context.WithCancel(ctx)
	go func() {
		defer close(u.done)
		err := u.run(ctx, chains)
		u.mu.Lock()
		defer u.mu.Unlock()
		u.err = err
	}()
	return u, nil
}

func (u *unpacker) run(ctx context.Context, chains []chain) error {
	for _, c := range chains {
		for i := range c {
			blob, ok := u.wait(ctx, c[i].Digest)
			if !ok {
				return ctx.Err() // what is left is for finish's caller
			}
			if err := u.apply(ctx, c[:i+1].diffIDs(), blob); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait returns a blob when it is there. ok is false if it does not come.
func (u *unpacker) wait(ctx context.Context, d digest.Digest) (blob ocispec.Descriptor, ok bool) {
	for {
		u.mu.Lock()
		blob, ok = u.here[d]
		last, change := u.last, u.change
		u.mu.Unlock()
		if ok || last || d == "" {
			return blob, ok
		}
		select {
		case <-change:
		case <-ctx.Done():
			return blob, false
		}
	}
}

// arrived says that a blob is there.
func (u *unpacker) arrived(d ocispec.Descriptor) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.here[d.Digest] = d
	u.wake()
}

// wake makes wait check again. The caller holds u.mu.
func (u *unpacker) wake() {
	close(u.change)
	u.change = make(chan struct{})
}

// failure returns why unpacking has failed, or nil.
func (u *unpacker) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// finish says that no more blobs come, and waits until all is unpacked that can
// be.
func (u *unpacker) finish() error {
	u.mu.Lock()
	u.last = true
	u.wake()
	u.mu.Unlock()
	<-u.done
	return u.failure()
}

// abort ends the unpacking.
func (u *unpacker) abort() {
	u.stop()
	<-u.done
}

// apply makes the snapshot of the layers with these DiffIDs, of which all but the
// top one have one. blob is the top one. The lease holds the snapshot when it
// returns. If the snapshot is there already, it is still checked what the blob
// unpacks to, unless that is known.
func (u *unpacker) apply(ctx context.Context, diffIDs []digest.Digest, blob ocispec.Descriptor) (err error) {
	want, id := diffIDs[len(diffIDs)-1], identity.ChainID(diffIDs).String()
	defer func() {
		if err == nil {
			u.store.report(want, 1)
		}
	}()
	known, err := u.known(ctx, blob.Digest, want)
	if err != nil {
		return err
	}
	if known {
		if there, err := u.keep(ctx, id); there || err != nil {
			return err
		}
	}
	if blob.MediaType == "" {
		if blob, err = u.store.content.Describe(ctx, blob.Digest); err != nil {
			return unreadable(ctx, blob.Digest, err)
		}
	}
	return u.extract(ctx, diffIDs, id, blob)
}

func (u *unpacker) extract(ctx context.Context, diffIDs []digest.Digest, id string, blob ocispec.Descriptor) (err error) {
	leased, _, err := u.store.lease.within(ctx)
	if err != nil {
		return err
	}
	want, parent := diffIDs[len(diffIDs)-1], identity.ChainID(diffIDs[:len(diffIDs)-1]).String()
	key := fmt.Sprintf(snapshots.UnpackKeyFormat, "imgsend-"+rand.Text()[:8], id)
	mounts, err := u.snapshots.Prepare(leased, key, parent)
	if err != nil {
		return failed("prepare a snapshot", err)
	}
	committed := false
	defer func() {
		if committed {
			return
		}
		ctx, cancel := cleanupContext(ctx)
		defer cancel()
		_ = u.snapshots.Remove(ctx, key)
	}()
	got, err := u.differ.Apply(leased, blob, mounts)
	if err != nil {
		return failed("unpack layer "+want.String(), err)
	}
	if got.Digest != want {
		return transfer.Broken("the layer %s unpacks to %s, not to %s", blob.Digest, got.Digest, want)
	}
	err = u.snapshots.Commit(leased, id, key)
	committed = err == nil
	if err != nil && !errdefs.IsAlreadyExists(err) {
		return failed("commit a snapshot", err)
	}
	// The lease may have been followed by another one meanwhile.
	there, err := u.keep(ctx, id)
	if err == nil && !there {
		err = errors.New("it is gone")
	}
	if err != nil {
		return failed("keep the snapshot "+id, err)
	}
	_, err = u.store.client.ContentStore().Update(ctx, content.Info{Digest: blob.Digest, Labels: map[string]string{labels.LabelUncompressed: want.String()}},
		"labels."+labels.LabelUncompressed)
	return failed("label the layer "+blob.Digest.String(), err)
}

// known reports whether a blob is known to unpack to want.
func (u *unpacker) known(ctx context.Context, d, want digest.Digest) (bool, error) {
	info, err := u.store.client.ContentStore().Info(ctx, d)
	if err != nil {
		return false, unreadable(ctx, d, err)
	}
	return info.Labels[labels.LabelUncompressed] == want.String(), nil
}

// keep has the lease hold a snapshot, and reports whether it is there.
func (u *unpacker) keep(ctx context.Context, id string) (bool, error) {
	_, err := u.snapshots.Stat(ctx, id)
	if err == nil {
		if err := u.store.lease.keepSnapshot(ctx, u.snapshotter, id); err != nil {
			return false, err
		}
		_, err = u.snapshots.Stat(ctx, id) // it may have gone before it was held
	}
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, failed("look for the snapshot "+id, err)
}
