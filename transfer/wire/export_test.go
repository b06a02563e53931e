package wire

import "time"

// WithTimes returns o with other times for lines that are not likely to come back.
func WithTimes(o StreamOptions, gone, restart time.Duration) StreamOptions {
	o.graces = graces{gone, restart}
	return o
}
