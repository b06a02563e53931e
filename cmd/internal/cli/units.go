package cli

import (
	"fmt"
	"time"
)

// Bytes writes a number of bytes for people, in powers of 1000 and with three
// digits: "2.5 kB", "20.0 MB", "592 MB".
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	for f >= 999.5 && unit < 4 {
		f /= 1000
		unit++
	}
	name := [...]string{"B", "kB", "MB", "GB", "TB"}[unit]
	if f >= 99.95 {
		return fmt.Sprintf("%.0f %s", f, name)
	}
	return fmt.Sprintf("%.1f %s", f, name)
}

// Duration writes a time for people: "0.9 s", "12 s", "3 min 20 s".
func Duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour && d.Truncate(time.Second)%time.Minute == 0:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// wholeSeconds writes a time that goes by while it is looked at: "9 s", "3 min 20 s".
func wholeSeconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return Duration(d.Truncate(time.Second))
}

func durationOf(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
