package wire

import "time"

// WithTimes returns o with other times for lines that are not likely to come back.
func WithTimes(o StreamOptions, gone, restart time.Duration) StreamOptions {
	o.graces = graces{gone, restart}
	return o
}

// Compressed returns how many blocks a cache has, which is how many were compressed if
// they are few.
func Compressed(c *BlockCache) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.order)
}
