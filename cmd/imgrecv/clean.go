package main

import (
	"context"
	"fmt"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/store"
)

// clean removes what failed transfers have kept in the engine, and prints the IDs.
func clean(ctx context.Context, v *cli.Voice, o options) error {
	from, err := engine.Open(ctx, o.address())
	if err != nil {
		return err
	}
	defer from.Close()
	cleaner, ok := from.(store.Cleaner)
	if !ok {
		return &cli.UsageError{Err: fmt.Errorf("%s keeps nothing that --clean could remove", from)}
	}
	removed, err := cleaner.Clean(ctx)
	for _, id := range removed {
		v.Print("%s\n", id)
	}
	if err != nil {
		return err
	}
	v.Sayf("removed %s from %s", cli.Count(len(removed), "kept image"), from.Where())
	return nil
}
