//go:build !linux

package throwaway

import (
	"context"
	"fmt"

	"github.com/docker/docker/client"
)

// Engine is a running container engine. There is none on this system.
type Engine struct{}

// Start fails: engines can be started only on Linux.
func Start(_ context.Context, spec Spec) (*Engine, error) {
	return nil, fmt.Errorf("start %s: %w", spec.Name, ErrUnsupported)
}

// Available says that nothing can run on this system.
func Available(string) ([]Spec, []Skipped) {
	return nil, []Skipped{{"all engines", ErrUnsupported.Error()}}
}

// AvailableNative says that nothing can run on this system.
func AvailableNative(string) ([]Spec, []Skipped) {
	return nil, []Skipped{{"all engines", ErrUnsupported.Error()}}
}

// AvailableMemory is known only on Linux.
func AvailableMemory() (int64, error) { return 0, ErrUnsupported }

func (*Engine) Spec() Spec                      { return Spec{} }
func (*Engine) Host() string                    { return "" }
func (*Engine) Socket() string                  { return "" }
func (*Engine) Ctr(...string) []string          { return nil }
func (*Engine) DataRoot() string                { return "" }
func (*Engine) Client() (*client.Client, error) { return nil, ErrUnsupported }
func (*Engine) PID() int                        { return 0 }
func (*Engine) Log() string                     { return "" }
func (*Engine) Kill() error                     { return nil }
func (*Engine) Restart(context.Context) error   { return ErrUnsupported }
func (*Engine) Stop() error                     { return nil }
