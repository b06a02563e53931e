package containerd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/imgsend/imgsend/transfer"
)

// cleanupTime bounds each step that has to be done after a failure or an
// interrupt, and the giving of one name.
const cleanupTime = 10 * time.Second

// cleanupContext returns a context for what has to be done although ctx may be done.
func cleanupContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}

// failed returns err as an error of [transfer.KindEngine] at op.
func failed(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *transfer.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", op, context.Canceled)
	}
	out := &transfer.Error{Kind: transfer.KindEngine, Op: op, Err: err}
	switch {
	case strings.Contains(err.Error(), "no space left on device"):
		out.Hint = "free some space for containerd, then repeat: nothing half done has a name"
	case errdefs.IsUnavailable(err), strings.HasSuffix(err.Error(), "EOF"): // the latter from a stream of calls
		out.Err = fmt.Errorf("containerd went away: %w", err)
	}
	return out
}
