package containerd

import (
	"context"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
)

// SetLeaseTime changes for how long the leases of a sink last.
func (s *Sink) SetLeaseTime(d time.Duration) { s.leaseTime = d }

// SetImages changes where a store keeps its image records.
func (s *Store) SetImages(change func(images.Store) images.Store) { s.images = change(s.images) }

// UnpackFailure returns why a layer could not be unpacked so far, or nil.
func (s *Sink) UnpackFailure() error { return s.w.unpack.failure() }

// FinishUnpacking waits until all is unpacked that is here.
func (s *Sink) FinishUnpacking() error { return s.w.unpack.finish() }

// CollectGarbage has containerd remove what nothing refers to, and waits for it.
func (s *Store) CollectGarbage(ctx context.Context) error {
	manager := s.client.LeasesService()
	l, err := manager.Create(ctx, leases.WithRandomID(), leases.WithExpiration(time.Minute))
	if err != nil {
		return err
	}
	return manager.Delete(ctx, l, leases.SynchronousDelete)
}
