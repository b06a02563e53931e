//go:build !unix || solaris || illumos || aix

package folder

import (
	"errors"
	"fmt"
)

// lock fails: there is no lock here that the end of a process releases.
func lock(name string) (func(), error) {
	return nil, fmt.Errorf("lock %s: %w", name, errors.ErrUnsupported)
}

func share(name string) (func(), error) { return lock(name) }

func try(name string) (func(), error) { return lock(name) }
