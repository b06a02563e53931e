package main

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// A strike breaks something, and mends it when the fault has lasted or both programs
// have ended, if there is anything to mend.
type strike func(context.Context, *transfer) error

// signalSend sends a signal to imgsend.
func signalSend(s syscall.Signal) strike {
	return func(_ context.Context, x *transfer) error {
		_ = x.send.Signal(s) // fails if imgsend has ended just now, which is as well
		return nil
	}
}

// signalRecv sends a signal to imgrecv.
func signalRecv(s syscall.Signal) strike {
	return func(_ context.Context, x *transfer) error {
		_ = x.recv.Signal(s) // fails if imgrecv has ended just now, which is as well
		return nil
	}
}

// last waits until the fault has lasted as planned or both programs have ended.
func (x *transfer) last(ctx context.Context) {
	select {
	case <-time.After(x.lasts):
	case <-x.ended:
	case <-ctx.Done():
	}
}

// cut takes the link down for the planned time.
func cut(ctx context.Context, x *transfer) error {
	if err := x.link.Cut(ctx); err != nil {
		return err
	}
	x.last(ctx)
	return x.link.Mend(context.WithoutCancel(ctx))
}

// cutForGood takes the link down until both programs have ended.
func cutForGood(ctx context.Context, x *transfer) error {
	if err := x.link.Cut(ctx); err != nil {
		return err
	}
	select {
	case <-x.ended:
	case <-ctx.Done():
	}
	return x.link.Mend(context.WithoutCancel(ctx))
}

// An end is one of the two engines of a transfer.
type end func(*transfer) *throwaway.Engine

func source(x *transfer) *throwaway.Engine { return x.from }
func target(x *transfer) *throwaway.Engine { return x.to }

// crash kills an engine and starts it again after the planned time.
func crash(of end) strike {
	return func(ctx context.Context, x *transfer) error {
		if err := of(x).Kill(); err != nil {
			return err
		}
		x.last(ctx)
		return of(x).Restart(ctx)
	}
}

// restart ends an engine in order and starts it again.
func restart(of end) strike {
	return func(ctx context.Context, x *transfer) error { return of(x).Restart(ctx) }
}

// pause stops the process of an engine for the planned time.
func pause(of end) strike {
	return func(ctx context.Context, x *transfer) error {
		pid := of(x).PID()
		if err := stop(pid); err != nil {
			return fmt.Errorf("pause process %d: %w", pid, err)
		}
		x.last(ctx)
		return goOn(pid)
	}
}

// fill lets the disk of an engine take only the planned room more, until both programs
// have ended.
func fill(of end) strike {
	return func(ctx context.Context, x *transfer) error {
		e := of(x)
		used, err := usedBytes(e)
		if err != nil {
			return err
		}
		if err := resize(ctx, e, used+x.room); err != nil {
			return err
		}
		select {
		case <-x.ended:
		case <-ctx.Done():
		}
		return resize(context.WithoutCancel(ctx), e, e.Spec().DiskLimit)
	}
}

// resize changes how many bytes an engine's data in memory may take.
func resize(ctx context.Context, e *throwaway.Engine, size int64) error {
	_, err := lab.Output(ctx, "nsenter", "--target", strconv.Itoa(e.PID()), "--mount",
		"mount", "-o", "remount,size="+strconv.FormatInt(size, 10), e.DataRoot())
	return err
}
