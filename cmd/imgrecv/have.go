package main

import (
	"context"
	"os"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/docker"
)

// listHave prints what the engine has.
func listHave(ctx context.Context, v *cli.Voice, o options) error {
	eng, err := docker.Find(ctx, o.host)
	if err != nil {
		return err
	}
	defer eng.Close()
	v.Sayf("what %s at %s has", eng, eng.Endpoint().Host)
	list, err := eng.HaveList(ctx, o.name)
	if err != nil {
		return err
	}
	return list.Write(os.Stdout)
}
