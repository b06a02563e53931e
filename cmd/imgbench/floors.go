package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// A lineFloor is the time that the link alone takes for about as many bytes as imgsend has
// sent in the run before it: those that crossed the link, headers and all. No image
// arrives.
type lineFloor struct {
	link *lab.Link
	wire *int64 // bytes that imgsend has sent
}

func (*lineFloor) name() string    { return "(the line alone, for imgsend's bytes)" }
func (*lineFloor) rival() bool     { return false }
func (*lineFloor) onLink() bool    { return true }
func (*lineFloor) nothingArrives() {}

func (c *lineFloor) send(ctx context.Context, _, _ *throwaway.Engine, _ string) (s sample, err error) {
	if *c.wire == 0 {
		return s, errors.New("imgsend's own run has failed")
	}
	s.took, err = c.link.Carry(ctx, *c.wire)
	return s, err
}

// A loadFloor is the receiving engine's own load of a file on this machine.
type loadFloor struct {
	pipe
	folder string // for the files
}

func (*loadFloor) name() string { return "(load of a local file)" }
func (*loadFloor) rival() bool  { return false }

func (c *loadFloor) send(ctx context.Context, from, to *throwaway.Engine, image string) (s sample, err error) {
	path, err := c.saved(ctx, from, image)
	if err != nil {
		return s, err
	}
	file, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer file.Close()
	cmd := lab.Command(ctx, c.tool.loading(to)...)
	cmd.Env, cmd.Stdin = c.env, file
	began := time.Now()
	p, err := lab.Start(cmd, "load")
	if err != nil {
		return s, err
	}
	err = p.Wait()
	s.took = time.Since(began)
	if info, serr := file.Stat(); serr == nil {
		s.wire = info.Size()
	}
	return s, err
}

// saved returns the file that the sending engine has saved an image to, which it does
// once.
func (c *loadFloor) saved(ctx context.Context, from *throwaway.Engine, image string) (string, error) {
	path := filepath.Join(c.folder, filepath.Base(image)+".tar")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	file, err := os.Create(path + ".part")
	if err != nil {
		return "", err
	}
	cmd := lab.Command(ctx, c.tool.saving(from, image)...)
	cmd.Env, cmd.Stdout = c.env, file
	p, err := lab.Start(cmd, "save")
	if err == nil {
		err = p.Wait()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(path+".part", path)
}
