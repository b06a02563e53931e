package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/lab"
	"github.com/imgsend/imgsend/engine/throwaway"
)

// viaRegistry is a push through ssh into a registry at the receiver, and a pull
// from there. It needs engines of its own: pushes and pulls teach a classic store
// the digests of layers, which would help others.
type viaRegistry struct {
	tool   tool
	env    []string
	server *sshServer
	store  *registryServer
	rate   int64 // of the link, bits a second; 0: no limit
}

const pushPart = "push | ssh | registry"

func (*viaRegistry) name() string { return pushPart + " | pull" }
func (*viaRegistry) part() string { return pushPart }
func (*viaRegistry) rival() bool  { return true }
func (*viaRegistry) onLink() bool { return true }

// registryNote says what the part is.
const registryNote = `"` + pushPart + `" is the time to the end of the push in the same runs, with the bytes of the whole: ` +
	"the image cannot run yet, so this is no best rival."

// send pushes over a connection that also carries the command to pull, as one
// who does this by hand would share it. The image has its name in the registry
// for the time of the run only.
func (c *viaRegistry) send(ctx context.Context, from, to *throwaway.Engine, image string) (s sample, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	name := registryAddr + "/" + image
	began := time.Now()
	far, err := c.connect(ctx, quote(c.tool.pull(to.Host(), name))+" && "+quote(c.tool.tag(to.Host(), name, image)))
	if err != nil {
		return s, err
	}
	defer func() {
		cancel()
		<-far.Done()
	}()
	for _, argv := range []stage{c.tool.tag(from.Host(), image, name), c.tool.push(from.Host(), name)} {
		if _, _, err := runPipeline(ctx, c.env, []stage{argv}, -1); err != nil {
			return s, err
		}
	}
	s.part = time.Since(began)
	if err := far.goOn(); err != nil {
		return s, err
	}
	s.took = time.Since(began)
	return s, errors.Join(lab.Remove(ctx, from, name), lab.Remove(ctx, to, name))
}

// A farCommand is a shell command at the receiver that waits to be told.
type farCommand struct {
	*lab.Process
	stdin  io.Writer
	stdout *bufio.Reader // lines that say how far it is
}

// connect forwards the registry's address to the sender, and returns when that
// is so and the command waits.
func (c *viaRegistry) connect(ctx context.Context, remote string) (*farCommand, error) {
	// Ssh starts a command when it forwards. It does not end with the command
	// while an engine keeps a connection for later, so the end must be told.
	script := "echo ready; read -r go || exit; { " + remote + "; } 2>&1 >/dev/null && echo done || echo failed"
	cmd := lab.Command(ctx, c.server.forward(registryAddr, script)...)
	cmd.Env = c.env
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p, err := lab.Start(cmd, "ssh")
	if err != nil {
		return nil, err
	}
	far := &farCommand{p, stdin, bufio.NewReader(stdout)}
	return far, far.await("ready")
}

// goOn lets the command begin and waits for its end.
func (f *farCommand) goOn() error {
	if _, err := io.WriteString(f.stdin, "\n"); err != nil {
		return fmt.Errorf("ssh: %w", err)
	}
	return f.await("done")
}

// await waits for a line. If the command has failed before that, it ends the
// connection and returns what was said.
func (f *farCommand) await(want string) error {
	var said strings.Builder
	for {
		line, err := f.stdout.ReadString('\n')
		if line == want+"\n" {
			return nil
		}
		said.WriteString(line)
		if err != nil || line == "failed\n" {
			f.Kill()
			return fmt.Errorf("ssh, before it is %s: %s", want, lab.OneLine(said.String()+f.Stderr()))
		}
	}
}

// loader returns what gives a receiver images the way that send does, and only
// these to the registry.
func (c *viaRegistry) loader(from *throwaway.Engine) loader {
	return func(ctx context.Context, to *throwaway.Engine, images ...throwaway.Image) error {
		if err := c.store.restart(ctx); err != nil {
			return err
		}
		for _, img := range images {
			ctx, cancel := context.WithTimeout(ctx, runLimit(img.Size(), c.rate))
			defer cancel()
			if _, err := c.send(ctx, from, to, img.Ref); err != nil {
				return err
			}
		}
		return c.store.keep()
	}
}

// prepare brings the registry to the state in which a scenario begins, after the
// receiver.
func (c *viaRegistry) prepare(ctx context.Context, s scenario) error {
	if s == cold {
		return c.store.restart(ctx)
	}
	return c.store.rollBack()
}
