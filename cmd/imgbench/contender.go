package main

import (
	"context"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// A contender is one way to move an image.
type contender interface {
	name() string
	rival() bool
	onLink() bool // whether its bytes cross the link

	// send moves an image. It measures time and memory, and the bytes if they
	// do not cross the link.
	send(ctx context.Context, from, to *throwaway.Engine, image string) (sample, error)
}

// An apartContender has engines of its own, since it would change what others
// find in theirs.
type apartContender interface {
	contender

	// loader returns what gives the receiver images before anything is measured.
	loader(from *throwaway.Engine) loader

	// prepare brings what it has besides the receiving engine to the state in
	// which a scenario begins. The engine is in that state already.
	prepare(ctx context.Context, s scenario) error

	// part names the part of its work that is also reported by itself.
	part() string
}

// An entry is a contender with the engines between which it moves images.
type entry struct {
	contender
	*pair
}

// prepare brings all that the contender finds to the state in which a scenario
// begins.
func (e entry) prepare(ctx context.Context, s scenario) error {
	if err := e.to.prepare(ctx, s); err != nil {
		return err
	}
	if c, ok := e.contender.(apartContender); ok {
		return c.prepare(ctx, s)
	}
	return nil
}
