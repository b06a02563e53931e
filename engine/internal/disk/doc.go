// Package disk tells how much room a file system has for images.
package disk

// A file system is not filled to its end: whoever else writes there keeps a
// twentieth of its size, at most 1 GiB.
const (
	reserveShare = 20
	reserveMost  = 1 << 30
)

// usable returns how many of the free bytes of a file system of this size may be
// used.
func usable(size, free int64) int64 {
	return max(0, free-min(size/reserveShare, reserveMost))
}
