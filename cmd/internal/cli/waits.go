package cli

import (
	"fmt"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// Waits are the flags that say for how long a transfer waits.
type Waits struct {
	group                *Group
	retry, stall, engine string
}

// Define adds the flags to a group, once. retry is the help of --retry-for.
func (w *Waits) Define(g *Group, retry string) {
	w.group = g
	g.StringVar(&w.retry, "retry-for", "10m", retry)
	g.StringVar(&w.stall, "stall-timeout", "5m", "end a transfer when data is due and none has come for `TIME` (default 5m)")
	g.StringVar(&w.engine, "engine-timeout", "10m", "end a transfer when an engine has not finished an export or a load after `TIME` plus one second "+
		"for each 5 MB (default 10m). Each side has both limits, and gives the other side one minute more")
}

// RetryGiven reports whether --retry-for was given.
func (w *Waits) RetryGiven() bool { return w.group.Changed("retry-for") }

// Parse reads what was given.
func (w *Waits) Parse() (retry time.Duration, p transfer.Patience, err error) {
	for _, f := range []struct {
		name, value string
		to          *time.Duration
		least       time.Duration
	}{{"retry-for", w.retry, &retry, 0}, {"stall-timeout", w.stall, &p.Bytes, time.Second}, {"engine-timeout", w.engine, &p.Work, time.Second}} {
		d, err := time.ParseDuration(f.value)
		switch {
		case err != nil || d < 0:
			return 0, p, &UsageError{Err: fmt.Errorf("--%s %s: want a time such as 90s, 10m or 1h", f.name, f.value)}
		case d < f.least:
			return 0, p, &UsageError{Err: fmt.Errorf("--%s %s: want at least %s", f.name, f.value, f.least)}
		}
		*f.to = d
	}
	return retry, p, nil
}
