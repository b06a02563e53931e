package main

import (
	"context"
	"fmt"
	"os"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/engine/store"
)

// listHave prints what the engine has.
func listHave(ctx context.Context, v *cli.Voice, o options) error {
	from, err := engine.Open(ctx, o.address())
	if err != nil {
		return err
	}
	defer from.Close()
	lister, ok := from.(store.Lister)
	if !ok {
		return &cli.UsageError{Err: fmt.Errorf("--have lists engines, not %s", from)}
	}
	v.Sayf("what %s has", from.Where())
	list, err := lister.HaveList(ctx, o.name)
	if err != nil {
		return err
	}
	return list.Write(os.Stdout)
}
