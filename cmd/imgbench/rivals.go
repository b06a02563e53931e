package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// allRivals are the rivals' names on the command line.
var allRivals = []string{"pipe", "pipe+zstd", "ssh", "ssh+zstd"}

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
	stages, counted := []stage{c.tool.save(from.Host(), image), c.tool.load(to.Host())}, 0
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
	stages, remote := []stage{c.tool.save(from.Host(), image)}, quote(c.tool.load(to.Host()))
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

// newRivals makes the rivals of these names. Those that cannot run here are left
// out and named in the notes. A started server is returned for the caller to
// kill.
func newRivals(ctx context.Context, names []string, l *link, folder string) (list []contender, server *sshServer, notes []string, err error) {
	if len(names) == 0 {
		return nil, nil, nil, nil
	}
	t, err := findTool(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	notes = append(notes, "The rivals save and load with "+t.name+".")
	zstd, zstdErr := findProgram("zstd")
	var sshErr error
	for _, name := range names {
		transport, packed := strings.CutSuffix(name, "+zstd")
		missing := zstdErr
		if !packed {
			missing = nil
		}
		if transport == "ssh" && missing == nil {
			if server == nil && sshErr == nil {
				server, sshErr = startSSH(ctx, l, filepath.Join(folder, "ssh"))
				if ctx.Err() != nil {
					return nil, nil, nil, ctx.Err()
				}
			}
			missing = sshErr
		}
		if missing != nil {
			notes = append(notes, fmt.Sprintf("Without %s: %s", name, why(missing)))
			continue
		}
		p := pipe{tool: t, env: scrub(os.Environ(), "DOCKER_CONFIG="+folder)}
		if packed {
			p.zstd = zstd
		}
		if transport == "ssh" {
			list = append(list, &ssh{p, server})
		} else {
			list = append(list, &p)
		}
	}
	return list, server, notes, nil
}

// why says in words why a rival is left out.
func why(err error) string {
	var e *exec.Error
	if errors.As(err, &e) && errors.Is(err, exec.ErrNotFound) {
		return e.Name + " is not installed."
	}
	return oneLine(err.Error())
}
