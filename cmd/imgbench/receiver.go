package main

import (
	"context"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// settle is how long a new engine is left alone before it is measured.
const settle = time.Second

// loader is how images get into an engine before anything is measured.
type loader func(ctx context.Context, e *throwaway.Engine, images ...throwaway.Image) error

// A receiver is the receiving engine, brought to a scenario's state before
// each run.
type receiver struct {
	spec       throwaway.Spec
	base, next throwaway.Image
	load       loader

	engine *throwaway.Engine
	loaded bool // the engine was given base before anything was measured on it
}

// prepare brings the engine to the state in which a scenario begins.
func (r *receiver) prepare(ctx context.Context, s scenario) error {
	switch {
	case s == cold:
		return r.fresh(ctx)
	case !r.loaded:
		if err := r.fresh(ctx); err != nil {
			return err
		}
		if err := r.load(ctx, r.engine, r.base); err != nil {
			return err
		}
		r.loaded = true
	}
	if s == oneLayer {
		if err := lab.Remove(ctx, r.engine, r.next.Ref); err != nil {
			return err
		}
	}
	return lab.Verify(ctx, r.engine, r.base)
}

// fresh replaces the engine by a new one without images.
func (r *receiver) fresh(ctx context.Context) error {
	if err := r.stop(); err != nil {
		return err
	}
	e, err := throwaway.Start(ctx, r.spec)
	if err != nil {
		return err
	}
	r.engine = e
	select {
	case <-time.After(settle):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *receiver) stop() error {
	if r.engine == nil {
		return nil
	}
	err := r.engine.Stop()
	if err == nil {
		r.engine, r.loaded = nil, false
	}
	return err
}
