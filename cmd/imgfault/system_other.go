//go:build !linux

package main

import (
	"errors"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// On other systems throwaway engines do not start, and nothing here is reached.

func stop(int) error { return errors.ErrUnsupported }

func goOn(int) error { return errors.ErrUnsupported }

func usedBytes(*throwaway.Engine) (int64, error) { return 0, errors.ErrUnsupported }
