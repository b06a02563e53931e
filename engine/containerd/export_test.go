package containerd

import "time"

// SetLeaseTime changes for how long the leases of a sink last.
func (s *Sink) SetLeaseTime(d time.Duration) { s.leaseTime = d }
