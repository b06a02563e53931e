package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/lab"
)

// registryAddr is where the registry listens in the receiver's namespace, and
// where ssh has it in the sender's. Both are imgbench's alone, so that the port
// is free. Engines talk plain HTTP to such addresses.
const registryAddr = "127.0.0.1:5000"

const registryStartLimit = 10 * time.Second

// A registryServer is a registry at the receiving end of the link.
type registryServer struct {
	program string // of the CNCF distribution registry
	netns   string
	folder  string // for all its files

	process *lab.Process    // nil if it does not run
	kept    map[string]bool // paths that were there when it was told to keep them
}

// restart replaces the registry by a new one without images, which runs until ctx
// is done or stop is called.
func (r *registryServer) restart(ctx context.Context) error {
	r.stop()
	if err := os.RemoveAll(r.folder); err != nil {
		return err
	}
	if err := os.MkdirAll(r.storage(), 0o700); err != nil {
		return err
	}
	// It has no cache, so that its storage can be changed under it.
	config := fmt.Sprintf(`version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: %q
http:
  addr: %s
`, r.storage(), registryAddr)
	file := filepath.Join(r.folder, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	cmd := lab.Command(ctx, lab.In(r.netns, r.program, "serve", file)...)
	// Variables of the environment can change each part of the configuration.
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none"}
	p, err := lab.Start(cmd, "registry")
	if err != nil {
		return err
	}
	r.process = p
	if err := r.ready(ctx); err != nil {
		r.stop()
		return fmt.Errorf("%w; %s says: %s", err, r.program, lab.OneLine(p.Stderr()))
	}
	return nil
}

func (r *registryServer) storage() string { return filepath.Join(r.folder, "storage") }

// ready waits until the registry listens.
func (r *registryServer) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, registryStartLimit)
	defer cancel()
	for {
		listening, err := lab.Output(ctx, lab.In(r.netns, "ss", "-Hltn", "src", registryAddr)...)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("the registry does not listen: %w", ctx.Err())
		case err != nil:
			return err
		case strings.TrimSpace(listening) != "":
			return nil
		}
		select {
		case <-r.process.Done():
			return errors.New("the registry ended at once")
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the registry if it runs. What it has stored stays.
func (r *registryServer) stop() {
	if r.process != nil {
		r.process.Kill()
		r.process = nil
	}
}

// keep makes what is stored what rollBack goes back to.
func (r *registryServer) keep() error {
	r.kept = map[string]bool{}
	return filepath.WalkDir(r.storage(), func(path string, _ fs.DirEntry, err error) error {
		r.kept[path] = true
		return err
	})
}

// rollBack removes what has been stored since keep. Files that were there then
// are the same still: a registry names them by their content, or, as an image's
// tag, is not given another content for them here.
func (r *registryServer) rollBack() error {
	return filepath.WalkDir(r.storage(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || r.kept[path] {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}
