package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// options are the flags as they were given.
type options struct {
	output, input, compress, limit, lag         string
	host                                        string
	message, author, flatten                    string
	store, platform, have, namespace            string
	to, as, changes, allow, serve, container    []string
	listen, name                                string
	wait, keep, code, yes                       bool
	saved                                       cli.PeerActions
	waits                                       cli.Waits
	dryRun, noRemember, noPause, keepImage, all bool
}

// What --flatten keeps.
const (
	flattenFull = "full" // the settings too
	flattenBare = "bare"
)

// A job is a command line that has been checked.
type job struct {
	requests    []store.Request
	containers  *containerJob // nil: images
	store       string        // an OCI layout folder; empty: an engine
	input       string        // an archive; empty: a store
	patterns    []string      // what --serve offers; the requests are those of a receiver
	said        bool          // where the images come from has been said
	set         *set          // of images; nil: requests has them
	names       *cli.Naming   // for what is in the archive, where no image of it is named
	platform    *ocispec.Platform
	output      string // an archive; empty: a peer
	compressed  bool   // the archive
	have        string // a file that lists what is left out of the archive
	compression wire.Compression
	limited     func(wire.Stream) wire.Stream // has the rate of --limit
	lag         time.Duration                 // for how long one receiver may hold back the others
	retryFor    time.Duration                 // when the line breaks; 0: not at all
	patience    transfer.Patience
	host        string
	namespace   string // of a containerd; empty: the usual one
	dryRun      bool
}

// job checks the command line, before anything is connected.
func (o options) job(images []string) (*job, error) {
	if err := errors.Join(o.conflicts(images), o.waitConflicts(images)); err != nil {
		return nil, usageError(err)
	}
	j := &job{host: o.host, namespace: o.namespace, dryRun: o.dryRun, store: o.store, input: o.input, patterns: o.serve, output: o.output, have: o.have}
	var err error
	if j.compression, err = wire.ParseCompression(o.compress); err != nil {
		return nil, usageError(fmt.Errorf("--compress: %w", err))
	}
	zst, err := cli.Compresses(o.output)
	if err != nil {
		return nil, usageError(err)
	}
	j.compressed = j.compression == wire.CompressFast || j.compression == wire.CompressBest || j.compression == wire.CompressAuto && zst
	var limit int64 // none
	if o.limit != "" {
		if limit, err = wire.ParseRate(o.limit); err != nil {
			return nil, usageError(fmt.Errorf("--limit: %w", err))
		}
	}
	if n := int64(len(o.to)); limit > 0 && limit < n*wire.MinRate {
		return nil, usageError(fmt.Errorf("--limit %s is shared by %d receivers, and gives each less than %d bytes a second", o.limit, n, wire.MinRate))
	}
	j.limited = wire.Limiter(limit)
	if j.lag, err = time.ParseDuration(o.lag); err != nil || j.lag <= 0 {
		return nil, usageError(fmt.Errorf("--lag %s: want a time such as 30s or 2m", o.lag))
	}
	if j.retryFor, j.patience, err = o.waits.Parse(); err != nil {
		return nil, err
	}
	if o.platform != "" {
		p, err := cli.ParsePlatform(o.platform)
		if err != nil {
			return nil, usageError(fmt.Errorf("--platform: %w", err))
		}
		j.platform = &p
	}
	names, err := cli.ParseNaming(o.as)
	if err != nil {
		return nil, err
	}
	if len(o.container) > 0 {
		j.containers, err = newContainerJob(o, names)
		return j, err
	}
	j.set, err = newSet(images, o.all, names)
	switch {
	case err != nil:
		return nil, err
	case j.set != nil:
		return j, nil
	case len(images) == 0: // of an archive, or --serve
		j.names = names
		return j, nil
	}
	for _, image := range images {
		as, err := names.Of(image, len(images) > 1)
		if err != nil {
			return nil, err
		}
		j.requests = append(j.requests, store.Request{Image: image, As: as})
	}
	return j, names.Unused()
}

// conflicts says which options do not go together.
func (o options) conflicts(images []string) error {
	commits := o.message != "" || o.author != "" || len(o.changes) > 0 || o.noPause || o.flatten != "" || o.keepImage
	switch {
	case len(o.container) > 0 && len(images) > 0:
		return errors.New("either images or --container, not both")
	case o.input != "" && (len(o.container) > 0 || o.store != "" || o.host != "" || o.namespace != "" || o.output != ""):
		return errors.New("--input sends out of an archive: --container, --store, --host, --namespace and --output do not go with it")
	case o.all && (len(o.container) > 0 || len(images) > 0):
		return errors.New("--all sends all images: name none, and no container")
	case len(o.container) == 0 && o.input == "" && len(images) == 0 && !o.all && len(o.serve) == 0:
		return errors.New("name an image to send, or --all (imgsend -h shows how)")
	case len(o.container) == 0 && commits:
		return errors.New("--message, --author, --change, --no-pause, --flatten and --keep-image go with --container")
	case len(o.container) > 0 && o.store != "":
		return errors.New("--store has images, and no containers")
	case o.store != "" && o.host != "":
		return errors.New("either --store or --host, not both")
	case o.store != "" && o.namespace != "":
		return errors.New("--namespace is for containerd, not for --store")
	case len(o.container) > 0 && o.platform != "":
		return errors.New("--platform picks one of an image; a container has only one")
	case o.output != "" && len(o.to) > 0:
		return errors.New("either --to or --output, not both")
	case o.have != "" && o.output == "":
		return errors.New("--have goes with --output; over the network the other side is asked")
	case o.output != "" && (o.limit != "" || o.waits.RetryGiven()):
		return errors.New("--limit and --retry-for go with --to")
	case o.flatten != "" && o.flatten != flattenFull && o.flatten != flattenBare:
		return fmt.Errorf("--flatten=%s: there is --flatten and --flatten=bare", o.flatten)
	case o.flatten != "" && (len(o.changes) > 0 || o.keepImage):
		return errors.New("--change and --keep-image do not go with --flatten, which makes no image here")
	}
	return nil
}

func usageError(err error) error { return &cli.UsageError{Err: err} }
