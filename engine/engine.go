package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/imgsend/imgsend/engine/containerd"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/docker/endpoint"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
)

// An Address says where a store is.
type Address struct {
	Host      string // of an engine: unix://, tcp://, ssh://, containerd://; empty: see [Open]
	Namespace string // of a containerd; empty: see [containerd.Open]
	Folder    string // an OCI image layout; empty: an engine
	Served    bool   // start nothing: open only what is served already
}

// containerdVar is the environment variable by which containerd's own clients
// are told its address.
const containerdVar = "CONTAINERD_ADDRESS"

// Open opens the store at an address: a folder; the engine at a.Host, or if that is
// empty at DOCKER_HOST, the current docker context, or CONTAINERD_ADDRESS, or else at
// the first of the usual sockets of Docker and Podman that answers, or, where there
// is none of these, of containerd. If that is missing too and there is a command podman,
// a process that ends with the store serves its API. A socket may be Docker's or containerd's. The
// caller must close the store.
func Open(ctx context.Context, a Address) (store.Store, error) {
	if a.Folder != "" {
		return folder.New(a.Folder), nil
	}
	chosen, err := endpoint.Chosen(a.Host)
	if err != nil {
		return nil, err
	}
	address := os.Getenv(containerdVar)
	switch {
	case strings.HasPrefix(chosen.Host, containerd.Scheme):
		return native(ctx, chosen.Host, chosen.From, a.Namespace)
	case chosen.Host == "" && address != "":
		return native(ctx, address, containerdVar, a.Namespace)
	}
	e, err := docker.Find(ctx, a.Host)
	if err == nil {
		if a.Namespace != "" {
			_ = e.Close()
			return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("--namespace is for containerd, and this is %s", e),
				Hint: "-H containerd:///run/containerd/containerd.sock names a containerd"}
		}
		return e, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	if errors.Is(err, docker.ErrNone) {
		return unserved(ctx, a, err)
	}
	if socket, ok := containerd.SocketOf(chosen.Host); ok {
		s, nerr := native(ctx, chosen.Host, chosen.From, a.Namespace)
		if nerr == nil || path.Base(socket) == "containerd.sock" {
			return s, nerr
		}
	}
	return nil, err
}

// native opens a containerd by its own API. from is what named its address.
func native(ctx context.Context, address, from, namespace string) (store.Store, error) {
	s, err := containerd.Open(ctx, address, from, namespace)
	if err != nil {
		return nil, err // and not a nil *containerd.Store
	}
	return s, nil
}

// unserved opens what there is where no socket of Docker or Podman is: containerd at
// one of its usual sockets, or else a Podman, whose API runs for the time being. none
// is the error if there is nothing.
func unserved(ctx context.Context, a Address, none error) (store.Store, error) {
	s, err := usualContainerd(ctx, a.Namespace, none)
	if !errors.Is(err, docker.ErrNone) || a.Namespace != "" || a.Served {
		return s, err
	}
	e, perr := docker.StartPodman(ctx)
	switch {
	case errors.Is(perr, docker.ErrNone):
		return nil, err
	case perr != nil:
		return nil, perr
	}
	return e, nil
}

// usualContainerd looks at containerd's usual sockets. none is the error if there is
// nothing.
func usualContainerd(ctx context.Context, namespace string, none error) (store.Store, error) {
	var first error
	for _, socket := range containerd.UsualSockets() {
		if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		s, err := native(ctx, socket, "usual socket", namespace)
		if err == nil {
			return s, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = none
	}
	return nil, first
}
