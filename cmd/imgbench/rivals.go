package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// allRivals are the rivals' names on the command line.
var allRivals = []string{"pipe", "pipe+zstd", "ssh", "ssh+zstd"}

// registryRival is the one more that there is with a program for a registry.
const registryRival = "registry"

// pipe is "save | load" on one machine, by the sockets of both engines.
type pipe struct {
	tool tool
	zstd string // the program, or "" for none
	env  []string
}

func (c *pipe) name() string {
	if c.zstd != "" {
		return "save | zstd | load"
	}
	return "save | load"
}

func (*pipe) rival() bool  { return true }
func (*pipe) onLink() bool { return false }

func (c *pipe) send(ctx context.Context, from, to *throwaway.Engine, image string) (s sample, err error) {
	stages, counted := []stage{c.tool.saving(from, image), c.tool.loading(to)}, 0
	if c.zstd != "" {
		stages, counted = []stage{stages[0], compress(c.zstd), {c.zstd, "-q", "-d", "-c"}, stages[1]}, 1
	}
	s.took, s.wire, err = runPipeline(ctx, c.env, stages, counted)
	return s, err
}

// ssh is "save | ssh | load".
type ssh struct {
	pipe
	server *sshServer
}

func (c *ssh) name() string {
	if c.zstd != "" {
		return "save | zstd | ssh | load"
	}
	return "save | ssh | load"
}

func (*ssh) onLink() bool { return true }

func (c *ssh) send(ctx context.Context, from, to *throwaway.Engine, image string) (s sample, err error) {
	stages, remote := []stage{c.tool.saving(from, image)}, quote(c.tool.loading(to))
	if c.zstd != "" {
		stages, remote = append(stages, compress(c.zstd)), quote(stage{c.zstd, "-q", "-d", "-c"})+" | "+remote
	}
	s.took, _, err = runPipeline(ctx, c.env, append(stages, c.server.run(remote)), -1)
	return s, err
}

func compress(zstd string) stage { return stage{zstd, "-q", "-1", "-T0", "-c"} }

// quote writes a command for a shell.
func quote(argv stage) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}

// rivals are the rivals that can run here, and what they share.
type rivals struct {
	link   *lab.Link
	folder string // for temporary files
	tool   tool
	env    []string
	store  *registryServer // nil without a program for it
	list   []contender
	notes  []string // on the rivals, and on those that are left out

	server    *sshServer // nil until needed
	serverErr error
}

// newRivals makes the rivals of these names, and the one with a registry if there
// is a program for that. Those that cannot run here are left out and named in the
// notes, but the program must be that of a registry. The caller closes them.
func newRivals(ctx context.Context, names []string, registry string, l *lab.Link, folder string) (_ *rivals, err error) {
	r := &rivals{link: l, folder: folder, env: lab.Scrub(os.Environ(), "DOCKER_CONFIG="+folder)}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if registry != "" {
		r.store = &registryServer{program: registry, netns: l.Receiver, folder: filepath.Join(folder, "registry")}
		if err := r.store.restart(ctx); err != nil {
			return nil, fmt.Errorf("-registry: %w", err)
		}
		names = append(slices.Clone(names), registryRival)
	}
	if r.tool, err = findTool(ctx); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return r, nil
	}
	r.notes = append(r.notes, "The rivals save and load, or push and pull, with "+r.tool.name+"; containerd by itself exports and imports with ctr.")
	for _, name := range names {
		c, err := r.make(ctx, name)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			r.notes = append(r.notes, without(name, err))
		default:
			r.list = append(r.list, c)
		}
	}
	return r, nil
}

// make returns the rival of this name, or why it cannot run here.
func (r *rivals) make(ctx context.Context, name string) (contender, error) {
	transport, packed := strings.CutSuffix(name, "+zstd")
	p := pipe{tool: r.tool, env: r.env}
	if packed {
		var err error
		if p.zstd, err = findProgram("zstd"); err != nil {
			return nil, err
		}
	}
	if transport == "pipe" {
		return &p, nil
	}
	server, err := r.ssh(ctx)
	if err != nil {
		return nil, err
	}
	if transport == registryRival {
		r.notes = append(r.notes, registryNote)
		return &viaRegistry{tool: r.tool, env: r.env, server: server, store: r.store, rate: r.link.Rate}, nil
	}
	return &ssh{p, server}, nil
}

// ssh returns the server that all rivals share, started when first asked for.
func (r *rivals) ssh(ctx context.Context) (*sshServer, error) {
	if r.server == nil && r.serverErr == nil {
		r.server, r.serverErr = startSSH(ctx, r.link, filepath.Join(r.folder, "ssh"))
	}
	return r.server, r.serverErr
}

// close ends what was started for the rivals.
func (r *rivals) close() {
	if r.store != nil {
		r.store.stop()
	}
	if r.server != nil {
		r.server.process.Kill()
	}
}

// without says that a rival is left out, and why.
func without(name string, err error) string { return fmt.Sprintf("Without %s: %s", name, why(err)) }

// why says in words why a rival is left out.
func why(err error) string {
	var e *exec.Error
	if errors.As(err, &e) && errors.Is(err, exec.ErrNotFound) {
		return e.Name + " is not installed."
	}
	return lab.OneLine(err.Error())
}
