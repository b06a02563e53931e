package main

import (
	"errors"
	"fmt"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/transfer"
)

// options are the flags as they were given.
type options struct {
	to, as, compress, limit, host, forget string
	dryRun, noRemember, peers             bool
}

// A job is a command line that makes sense.
type job struct {
	requests    []engine.Request
	compression transfer.Compression
	limit       int64 // bytes a second; 0: none
	host        string
	dryRun      bool
}

// job checks the command line, before anything is connected.
func (o options) job(images []string) (*job, error) {
	switch {
	case len(images) == 0:
		return nil, usage2(errors.New("name an image to send (imgsend -h shows how)"))
	case o.as != "" && len(images) > 1:
		return nil, usage2(fmt.Errorf("--as names a single image, not %d", len(images)))
	}
	j := &job{host: o.host, dryRun: o.dryRun}
	var err error
	if j.compression, err = transfer.ParseCompression(o.compress); err != nil {
		return nil, usage2(fmt.Errorf("--compress: %w", err))
	}
	if o.limit != "" {
		if j.limit, err = transfer.ParseRate(o.limit); err != nil {
			return nil, usage2(fmt.Errorf("--limit: %w", err))
		}
	}
	if o.as != "" {
		if _, err = engine.ParseName(o.as); err != nil {
			return nil, usage2(fmt.Errorf("--as: %w", err))
		}
	}
	for _, name := range images {
		j.requests = append(j.requests, engine.Request{Image: name, As: o.as})
	}
	return j, nil
}

func usage2(err error) error { return &cli.UsageError{Err: err} }
