package wire

import "time"

// WithTimes returns o with other times for lines that are not likely to come back.
func WithTimes(o StreamOptions, gone, restart time.Duration) StreamOptions {
	o.graces = graces{gone, restart}
	return o
}

// WithTurnTime returns o with another time for what the other side owes outside of a copy.
func WithTurnTime(o StreamOptions, d time.Duration) StreamOptions {
	o.turnTime = d
	return o
}
