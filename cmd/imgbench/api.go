package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/docker/docker/client"
)

// A tool is a program that saves and loads images.
type tool struct {
	name string
	save func(host, image string) stage
	load func(host string) stage
}

// findTool returns the docker CLI if it is installed, else imgbench itself.
func findTool(ctx context.Context) (tool, error) {
	if path, err := exec.LookPath("docker"); err == nil {
		version, err := output(ctx, path, "--version")
		if err != nil {
			return tool{}, err
		}
		return tool{
			name: "the docker CLI (" + oneLine(version) + ")",
			save: func(host, image string) stage { return stage{path, "-H", host, "save", image} },
			load: func(host string) stage { return stage{path, "-H", host, "load", "-q"} },
		}, nil
	}
	self, err := os.Executable()
	return tool{
		name: "imgbench itself through the API (no docker CLI here)",
		save: func(host, image string) stage { return stage{self, "api", "save", host, image} },
		load: func(host string) stage { return stage{self, "api", "load", host} },
	}, err
}

// runAPI saves an image to stdout or loads an archive from stdin.
func runAPI(ctx context.Context, args []string) error {
	save := len(args) == 3 && args[0] == "save"
	if load := len(args) == 2 && args[0] == "load"; !save && !load {
		return errors.New("usage: imgbench api save SOCKET IMAGE | imgbench api load SOCKET")
	}
	c, err := client.NewClientWithOpts(client.WithHost(args[1]), client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer c.Close()
	if save {
		r, err := c.ImageSave(ctx, []string{args[2]})
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(os.Stdout, r)
		return err
	}
	resp, err := c.ImageLoad(ctx, bufio.NewReaderSize(os.Stdin, 64<<10), client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return loadResult(resp.Body)
}

// loadResult reads the engine's messages about a load, failures among them, to
// their end.
func loadResult(r io.Reader) error {
	for d := json.NewDecoder(r); ; {
		var m struct{ Error string }
		if err := d.Decode(&m); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the engine's answer: %w", err)
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
	}
}
