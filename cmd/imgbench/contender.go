package main

import (
	"context"
	"slices"
	"strings"

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

// scrub returns an environment without what leads a program to another engine,
// and with extra variables.
func scrub(environ []string, extra ...string) []string {
	out := slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		return strings.HasPrefix(v, "DOCKER_") || strings.HasPrefix(v, "CONTAINER_")
	})
	return append(out, extra...)
}
