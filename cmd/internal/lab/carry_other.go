//go:build !linux

package lab

import (
	"context"
	"errors"
	"time"
)

// Carry needs network namespaces.
func (l *Link) Carry(context.Context, int64) (time.Duration, error) { return 0, errors.ErrUnsupported }
