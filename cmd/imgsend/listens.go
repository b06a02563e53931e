package main

import (
	"errors"
	"fmt"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
)

// listens reports whether imgsend waits for receivers that dial it.
func (o options) listens() bool { return o.wait || len(o.serve) > 0 }

// waitConflicts returns an error if an option conflicts with --wait or --serve, or needs one of
// them.
func (o options) waitConflicts(images []string) error {
	if !o.listens() {
		if o.keep || o.code || o.yes || o.listen != "" || o.name != "" || len(o.allow) > 0 {
			return errors.New("--keep, --listen, --name, --code, --allow and --yes are for --wait and --serve: without them imgsend dials")
		}
		return nil
	}
	for _, p := range o.serve {
		if err := store.CheckPattern(p); err != nil {
			return fmt.Errorf("--serve %s: %w", p, err)
		}
	}
	if o.name != "" {
		if err := peer.CheckName(o.name); err != nil {
			return fmt.Errorf("--name: %w", err)
		}
	}
	switch {
	case len(o.to) > 0 || o.output != "":
		return errors.New("--wait and --serve wait for imgrecv --from: --to and --output do not go with them")
	case o.dryRun:
		return errors.New("--dry-run is for --to; imgrecv --from has one of its own")
	case len(o.serve) > 0 && (o.wait || o.all || len(images) > 0 || len(o.container) > 0 || o.input != "" || len(o.as) > 0):
		return errors.New("--serve offers what matches its patterns: images, --all, --wait, --container, --input and --as do not go with it")
	case o.input == "-":
		return errors.New("--wait reads the archive when somebody fetches it: --input takes a file then")
	case o.keep && len(o.container) > 0:
		return errors.New("--container is for one receiver: --keep does not go with it")
	}
	return nil
}
