package endpoint

import (
	"context"
	"net"
	"path/filepath"

	"github.com/Microsoft/go-winio"
)

// dialPipe connects to a named pipe, such as //./pipe/docker_engine.
func dialPipe(ctx context.Context, path string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, filepath.FromSlash(path))
}
