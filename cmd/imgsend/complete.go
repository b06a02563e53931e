package main

import (
	"context"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/docker/endpoint"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer/wire"
)

// completions say what a shell offers.
func (o *options) completions() cli.Completions {
	return cli.Completions{
		Args: o.images,
		Values: map[string]cli.Candidates{
			"to":        cli.KnownPeers,
			"forget":    cli.SavedPeers,
			"serve":     o.images,
			"grant":     cli.SavedPeers,
			"revoke":    cli.SavedPeers,
			"container": o.containers,
			"compress": cli.OneOf(string(wire.CompressAuto), string(wire.CompressNone), string(wire.CompressFast),
				string(wire.CompressBest)),
			"flatten":  cli.OneOf(flattenFull, flattenBare),
			"platform": cli.OneOf(cli.Platforms...),
		},
		Files:   []string{"output", "have"},
		Folders: []string{"store"},
	}
}

// images returns the names of the images that can be sent.
func (o *options) images(ctx context.Context) (names []string) {
	if len(o.container) > 0 || o.all {
		return nil
	}
	o.look(ctx, func(s store.Store) {
		if n, ok := s.(store.Namer); ok {
			names, _ = n.Names(ctx)
		}
	})
	return names
}

// containers returns the names of the containers that can be sent.
func (o *options) containers(ctx context.Context) (names []string) {
	o.look(ctx, func(s store.Store) {
		if c, ok := s.(containers); ok {
			names, _ = c.ContainerNames(ctx)
		}
	})
	return names
}

// look opens the store for a moment, if that asks the user nothing: ssh may ask for a
// password.
func (o *options) look(ctx context.Context, at func(store.Store)) {
	if o.store == "" {
		if ep, err := endpoint.Chosen(o.host); err != nil || strings.HasPrefix(ep.Host, "ssh://") {
			return
		}
	}
	s, err := engine.Open(ctx, engine.Address{Host: o.host, Namespace: o.namespace, Folder: o.store, Served: true})
	if err != nil {
		return
	}
	defer s.Close()
	at(s)
}
