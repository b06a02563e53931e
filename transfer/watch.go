package transfer

import (
	"context"
	"sync"
)

// watch returns a context that ends when one of the ends says by itself that it
// has failed: the other side of a stream may give up while the engine on this
// side is silent. The returned function ends the watch and replaces an error
// that only says that the context ended by the reason why.
func watch(parent context.Context, ends ...any) (context.Context, func(error) error) {
	ctx, cancel := context.WithCancelCause(parent)
	var wg sync.WaitGroup
	for _, e := range ends {
		f, ok := e.(interface {
			Failed() <-chan struct{}
			Err() error
		})
		if !ok {
			continue
		}
		wg.Go(func() {
			select {
			case <-f.Failed():
				cancel(f.Err())
			case <-ctx.Done():
			}
		})
	}
	return ctx, func(err error) error {
		cause := context.Cause(ctx)
		cancel(errClosed)
		wg.Wait()
		switch {
		case err == nil || cause == nil:
			return err
		case parent.Err() != nil:
			return &Error{Kind: KindInterrupted, Err: errInterrupted}
		}
		return cause
	}
}
