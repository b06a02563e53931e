package main

import (
	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// saving returns the command that writes an archive of an image to its stdout.
func (t tool) saving(e *throwaway.Engine, image string) stage {
	if e.Spec().Kind == throwaway.Native {
		return e.Ctr("images", "export", "-", lab.NativeName(image))
	}
	return t.save(e.Host(), image)
}

// loading returns the command that loads an archive from its stdin.
func (t tool) loading(e *throwaway.Engine) stage {
	if e.Spec().Kind == throwaway.Native {
		return e.Ctr("images", "import", "-")
	}
	return t.load(e.Host())
}
