package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// A tool is a program that saves, loads, tags, pushes and pulls images.
type tool struct {
	name             string
	save, push, pull func(host, image string) stage
	load             func(host string) stage
	tag              func(host, image, name string) stage
}

// findTool returns the docker CLI if it is installed, else imgbench itself.
func findTool(ctx context.Context) (tool, error) {
	if path, err := exec.LookPath("docker"); err == nil {
		version, err := lab.Output(ctx, path, "--version")
		if err != nil {
			return tool{}, err
		}
		return tool{
			name: "the docker CLI (" + lab.OneLine(version) + ")",
			save: func(host, image string) stage { return stage{path, "-H", host, "save", image} },
			load: func(host string) stage { return stage{path, "-H", host, "load", "-q"} },
			tag:  func(host, image, name string) stage { return stage{path, "-H", host, "tag", image, name} },
			push: func(host, image string) stage { return stage{path, "-H", host, "push", "-q", image} },
			pull: func(host, image string) stage { return stage{path, "-H", host, "pull", "-q", image} },
		}, nil
	}
	self, err := os.Executable()
	return tool{
		name: "imgbench itself through the API (no docker CLI here)",
		save: func(host, image string) stage { return stage{self, "api", "save", host, image} },
		load: func(host string) stage { return stage{self, "api", "load", host} },
		tag:  func(host, image, name string) stage { return stage{self, "api", "tag", host, image, name} },
		push: func(host, image string) stage { return stage{self, "api", "push", host, image} },
		pull: func(host, image string) stage { return stage{self, "api", "pull", host, image} },
	}, err
}

// apiCommands are what the API is used for, by what follows the socket.
var apiCommands = map[string]struct {
	args int
	run  func(ctx context.Context, c *client.Client, args []string) error
}{
	"save": {1, apiSave},
	"load": {0, apiLoad},
	"tag": {2, func(ctx context.Context, c *client.Client, args []string) error {
		return c.ImageTag(ctx, args[0], args[1])
	}},
	"push": {1, apiPush},
	"pull": {1, apiPull},
}

// runAPI saves an image to stdout, loads an archive from stdin, or tags, pushes
// or pulls an image.
func runAPI(ctx context.Context, args []string) error {
	if len(args) < 2 || len(args)-2 != apiCommands[args[0]].args || apiCommands[args[0]].run == nil {
		return errors.New("usage: imgbench api save|push|pull SOCKET IMAGE | load SOCKET | tag SOCKET IMAGE NAME")
	}
	c, err := client.NewClientWithOpts(client.WithHost(args[1]), client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer c.Close()
	return apiCommands[args[0]].run(ctx, c, args[2:])
}

func apiSave(ctx context.Context, c *client.Client, args []string) error {
	r, err := c.ImageSave(ctx, args)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(os.Stdout, r)
	return err
}

func apiLoad(ctx context.Context, c *client.Client, _ []string) error {
	resp, err := c.ImageLoad(ctx, bufio.NewReaderSize(os.Stdin, 64<<10), client.ImageLoadWithQuiet(true))
	return apiResult(resp.Body, err)
}

// noAuth is what an engine must be told where no user is known.
var noAuth, _ = registry.EncodeAuthConfig(registry.AuthConfig{})

func apiPush(ctx context.Context, c *client.Client, args []string) error {
	return apiResult(c.ImagePush(ctx, args[0], image.PushOptions{RegistryAuth: noAuth}))
}

func apiPull(ctx context.Context, c *client.Client, args []string) error {
	return apiResult(c.ImagePull(ctx, args[0], image.PullOptions{RegistryAuth: noAuth}))
}

// apiResult reads the answer to a request that was sent without err.
func apiResult(answer io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	defer answer.Close()
	return throwaway.ReadAnswer(answer)
}
