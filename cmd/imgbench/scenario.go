package main

import (
	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// A scenario is what the receiver has before the image comes.
type scenario int

const (
	cold     scenario = iota // nothing
	oneLayer                 // all layers but the top one
	nothing                  // the image itself
)

var allScenarios = []scenario{cold, oneLayer, nothing}

// String returns the scenario's name on the command line.
func (s scenario) String() string { return [...]string{"cold", "layer", "nothing"}[s] }

// title returns the scenario's name in the table.
func (s scenario) title(base, next throwaway.Image) string {
	switch s {
	case cold:
		return "cold, " + cli.Bytes(base.Size())
	case oneLayer:
		return "one new layer of " + cli.Bytes(next.Size()-base.Size())
	}
	return "nothing new"
}

// image returns the image that is sent.
func (s scenario) image(base, next throwaway.Image) throwaway.Image {
	if s == oneLayer {
		return next
	}
	return base
}
