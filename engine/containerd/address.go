package containerd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/imgsend/imgsend/transfer"
)

// Scheme begins an address that can only be containerd's.
const Scheme = "containerd://"

// Where containerd listens without being configured: k3s and RKE2, and containerd
// by itself, as Debian, kind and nerdctl have it.
const (
	k3sSocket   = "/run/k3s/containerd/containerd.sock"
	plainSocket = "/run/containerd/containerd.sock"
)

// UsualSockets returns the default sockets of containerd, in the order in which to try
// them.
func UsualSockets() []string { return []string{k3sSocket, plainSocket} }

const (
	defaultNamespace = "default"
	// kubeNamespace is the one that Kubernetes keeps its images in.
	kubeNamespace = "k8s.io"
)

// connectTimeout limits the wait at a socket on which nobody answers.
const connectTimeout = 1500 * time.Millisecond

// SocketOf returns the path in an address: "containerd:///run/containerd/containerd.sock",
// "unix:///…" or a bare path. ok is false for any other address.
func SocketOf(address string) (path string, ok bool) {
	for _, scheme := range []string{Scheme, "unix://"} {
		if rest, found := strings.CutPrefix(address, scheme); found {
			return rest, strings.HasPrefix(rest, "/")
		}
	}
	return address, strings.HasPrefix(address, "/")
}

// namespaceAt returns the namespace to use where the user named none.
func namespaceAt(socket string) string {
	if ns := os.Getenv("CONTAINERD_NAMESPACE"); ns != "" {
		return ns
	}
	if strings.TrimPrefix(socket, "/var") == k3sSocket {
		return kubeNamespace
	}
	return defaultNamespace
}

// reach reports why nobody can be reached at a socket.
func reach(ctx context.Context, socket string) error {
	d := net.Dialer{Timeout: connectTimeout}
	conn, err := d.DialContext(ctx, "unix", socket)
	if err == nil {
		return conn.Close()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("no containerd answers at %s: %w", socket, err),
		Hint: "start it, or name another with -H"}
	if errors.Is(err, fs.ErrPermission) {
		out.Err = fmt.Errorf("this user may not use containerd at %s", socket)
		out.Hint = permissionHint(socket)
	}
	return out
}

// permissionHint returns how to get access to a socket: through its group, if it has one.
func permissionHint(socket string) string {
	const alone = "run it with sudo: only root may use that socket"
	in, err := os.Stat(socket)
	if err != nil || in.Mode().Perm()&0o060 != 0o060 {
		return alone
	}
	gid := groupOf(in)
	if gid <= 0 {
		return alone
	}
	name := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(name); err == nil {
		name = g.Name
	}
	return fmt.Sprintf("run it with sudo, or as a user of the group %s", name)
}
