package containerd

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/opencontainers/go-digest"
)

const (
	// leaseTime is how long containerd keeps the blobs of a killed program, for the next
	// try.
	leaseTime = time.Hour
	// leaseLabel marks a lease as ours.
	leaseLabel = "imgsend"
)

// A lease keeps the blobs and snapshots of a transfer until its images have names.
// Containerd's leases cannot be renewed, so this is a sequence of them: after a third of
// its time, the next one takes over everything that it holds.
type lease struct {
	manager leases.Manager
	time    time.Duration

	mu   sync.Mutex
	all  []leases.Lease // the last one is used
	made time.Time      // when that was made
}

// newLease makes the first lease, and with it the namespace.
func (s *Store) newLease(ctx context.Context, life time.Duration) (*lease, error) {
	l := &lease{manager: s.client.LeasesService(), time: life}
	return l, l.next(ctx)
}

// next makes another lease. l.mu is held, or nobody else has l yet.
func (l *lease) next(ctx context.Context) error {
	made, err := l.manager.Create(ctx, leases.WithID("imgsend-"+strings.ToLower(rand.Text()[:16])),
		leases.WithExpiration(l.time), leases.WithLabel(leaseLabel, "transfer"))
	if err != nil {
		return failed("make a lease", err)
	}
	if len(l.all) > 0 {
		held, err := l.manager.ListResources(ctx, l.all[len(l.all)-1])
		if err != nil {
			return failed("read the lease", err)
		}
		for _, r := range held {
			if err := l.manager.AddResource(ctx, made, r); err != nil {
				return failed("renew the lease", err)
			}
		}
	}
	l.all = append(l.all, made)
	l.made = time.Now()
	return nil
}

// current returns the lease to use now.
func (l *lease) current(ctx context.Context) (leases.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.made) > l.time/3 {
		if err := l.next(ctx); err != nil {
			return leases.Lease{}, err
		}
	}
	return l.all[len(l.all)-1], nil
}

// within returns ctx for calls that write something to be kept, and the lease that
// they write it for.
func (l *lease) within(ctx context.Context) (context.Context, string, error) {
	now, err := l.current(ctx)
	return leases.WithLease(ctx, now.ID), now.ID, err
}

// keep holds a blob, which may be gone already.
func (l *lease) keep(ctx context.Context, d digest.Digest) error {
	return l.add(ctx, leases.Resource{ID: d.String(), Type: "content"})
}

// keepSnapshot holds a snapshot, which may be gone already.
func (l *lease) keepSnapshot(ctx context.Context, snapshotter, key string) error {
	return l.add(ctx, leases.Resource{ID: key, Type: "snapshots/" + snapshotter})
}

func (l *lease) add(ctx context.Context, r leases.Resource) error {
	now, err := l.current(ctx)
	if err != nil {
		return err
	}
	return failed("add to the lease", l.manager.AddResource(ctx, now, r))
}

// end releases everything that is held.
func (l *lease) end(ctx context.Context) error {
	ctx, cancel := cleanupContext(ctx)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	var first error
	for _, one := range l.all {
		if err := l.manager.Delete(ctx, one); err != nil && first == nil {
			first = err
		}
	}
	l.all = nil
	return first
}
