package docker

import (
	"context"
	"os"
	"path/filepath"

	"github.com/imgsend/imgsend/engine/internal/disk"
)

// systemContainerd is where a containerd that Docker has not started itself keeps
// images unless its settings name another place (containerd's own default).
const systemContainerd = "/var/lib/containerd"

// Free returns how many bytes of images the engine has room for, less a reserve,
// and whether that is known: only of an engine that sees this host's files, which
// its socket and its host name tell; one in a virtual machine or a container has
// another name, and so has this host inside a container.
func (e *Engine) Free(ctx context.Context) (bytes int64, known bool) {
	if !e.endpoint.Local() {
		return 0, false
	}
	info, err := e.api.Info(ctx)
	if err != nil || info.DockerRootDir == "" {
		return 0, false
	}
	if host, err := os.Hostname(); err != nil || info.Name != host {
		return 0, false
	}
	// Podman tells its graph root by this name, too (seen on 4.3.1 and 5.8.6).
	bytes, known = disk.Free(info.DockerRootDir)
	// Docker's own containerd keeps its data in there (seen on 26.1.5 and 28.5.2).
	if !known || e.store != Containerd || exists(filepath.Join(info.DockerRootDir, "containerd", "daemon")) {
		return bytes, known
	}
	if b, ok := disk.Free(systemContainerd); ok {
		bytes = min(bytes, b)
	}
	return bytes, known
}
