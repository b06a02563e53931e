package wire

import (
	"testing"
	"time"
)

// SetAnewFor changes for how long a sender is waited for that has begun anew, until
// the test ends.
func SetAnewFor(t testing.TB, d time.Duration) {
	was := anewFor
	anewFor = d
	t.Cleanup(func() { anewFor = was })
}
