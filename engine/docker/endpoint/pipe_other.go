//go:build !windows

package endpoint

import (
	"context"
	"errors"
	"net"
)

// dialPipe fails: only Windows has named pipes.
func dialPipe(context.Context, string) (net.Conn, error) {
	return nil, errors.New("only Windows has named pipes (npipe://)")
}
