package engine

import (
	"context"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/folder"
	"github.com/imgsend/imgsend/engine/store"
)

// An Address says where a store is.
type Address struct {
	Host   string // of an engine: unix://, tcp://, ssh://; empty: see [docker.Find]
	Folder string // an OCI image layout; empty: an engine
}

// Open opens the store at an address. The caller must close it.
func Open(ctx context.Context, a Address) (store.Store, error) {
	if a.Folder != "" {
		return folder.New(a.Folder), nil
	}
	e, err := docker.Find(ctx, a.Host)
	if err != nil {
		return nil, err // and not a nil *docker.Engine
	}
	return e, nil
}
