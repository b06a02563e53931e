package throwaway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/client"
)

const (
	startLimit = 30 * time.Second // from the start to the first answered ping
	termLimit  = 10 * time.Second // from SIGTERM to the end, at Restart
	pollEvery  = 20 * time.Millisecond
	thawEvery  = 200 * time.Millisecond
)

// Engine is a running container engine. Its methods may be called at the same
// time from several goroutines.
type Engine struct {
	spec Spec
	dir  *folder

	life sync.Mutex // held while the engine is started or ended
	dead bool       // stopped for good; guarded by life
	log  string     // the log's tail after Stop; guarded by life

	mu   sync.Mutex
	proc *process // guarded by mu
}

// Start starts an engine and returns when it answers. The engine lives until
// Stop, Kill or the end of this process; ctx limits only the start, which takes
// 30 seconds at most. An error contains the end of the engine's log.
func Start(ctx context.Context, spec Spec) (*Engine, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("start %s: %w", spec.Name, ErrUnsupported)
	}
	spec, err := spec.place()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	dir, err := newFolder()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	if spec.Data == InMemory {
		if dir.memory, err = mountMemory(dir.data(), spec.DiskLimit); err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", spec.Name, err), dir.remove())
		}
	}
	e := &Engine{spec: spec, dir: dir}
	e.life.Lock()
	err = e.start(ctx)
	e.life.Unlock()
	if err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// Spec returns what the engine was started with, its Data and DiskLimit resolved.
func (e *Engine) Spec() Spec { return e.spec }

// Host returns the engine's address, such as "unix:///tmp/…/e.sock". It stays
// the same over Restart.
func (e *Engine) Host() string { return "unix://" + e.dir.socket() }

// DataRoot returns the folder where the engine keeps its images. Data in memory
// is seen only by the engine: from outside the folder looks empty.
func (e *Engine) DataRoot() string { return e.dir.data() }

// Socket returns the path in Host.
func (e *Engine) Socket() string { return e.dir.socket() }

// Ctr returns the command line of ctr, containerd's own client, for a [Native]
// engine: the engine's own program, which sees the engine's files and not this
// machine's. It is valid until the engine ends or is started again.
func (e *Engine) Ctr(args ...string) []string {
	pid := strconv.Itoa(e.PID())
	return append([]string{"nsenter", "--target", pid, "--mount", "--net", "--root", "--wd=/", "ctr", "--address", e.Socket()}, args...)
}

// Client returns a new client of the engine that agrees on the API version
// with it. The caller closes it. A [Native] engine has no such API.
func (e *Engine) Client() (*client.Client, error) {
	if e.spec.Kind == Native {
		return nil, fmt.Errorf("%s: containerd has no Docker API", e.spec.Name)
	}
	return client.NewClientWithOpts(client.WithHost(e.Host()), client.WithAPIVersionNegotiation())
}

// PID returns the engine's process ID in this process's namespace, or 0 when
// it does not run.
func (e *Engine) PID() int {
	p := e.process()
	if p == nil || p.ended() {
		return 0
	}
	return p.pid
}

// Log returns the end of what the engine wrote, for reports of failures. It
// works after Stop too.
func (e *Engine) Log() string {
	e.life.Lock()
	defer e.life.Unlock()
	if e.dead {
		return e.log
	}
	return e.dir.logTail()
}

// Kill ends the engine and everything it started with SIGKILL, as a crash
// would, and returns when they are gone. The data stays, for Restart.
func (e *Engine) Kill() error {
	// Not under e.life: a Kill must also end an engine that is still starting.
	p := e.process()
	if p == nil {
		return nil
	}
	return p.kill(e.dir.thaw)
}

// Restart ends the engine, in order if it still runs, and starts it again with
// the same data and the same Host. ctx limits only this call.
func (e *Engine) Restart(ctx context.Context) error {
	e.life.Lock()
	defer e.life.Unlock()
	if e.dead {
		return fmt.Errorf("restart %s: engine is stopped", e.spec.Name)
	}
	if p := e.process(); p != nil {
		if err := p.terminate(ctx, termLimit, e.dir.thaw); err != nil {
			return fmt.Errorf("restart %s: %w", e.spec.Name, err)
		}
	}
	return e.start(ctx)
}

// Stop ends the engine at once and removes everything it left. Further calls
// do nothing, unless the removal failed: then they try it again.
func (e *Engine) Stop() error {
	_ = e.Kill() // ends a start that holds the lock
	e.life.Lock()
	defer e.life.Unlock()
	if err := e.Kill(); err != nil {
		return fmt.Errorf("stop %s: %w", e.spec.Name, err)
	}
	if !e.dead {
		e.log = e.dir.logTail()
		e.dead = true
	}
	if err := e.dir.remove(); err != nil {
		return fmt.Errorf("stop %s: %w", e.spec.Name, err)
	}
	return nil
}

func (e *Engine) process() *process {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.proc
}

// start starts the process and waits until it answers. e.life is held.
func (e *Engine) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	cmd, err := command(e.spec, e.dir)
	if err != nil {
		return fmt.Errorf("start %s: %w", e.spec.Name, err)
	}
	p, err := startProcess(cmd, e.dir.memory, e.spec.NetNS)
	if closer, ok := cmd.Stdout.(*os.File); ok {
		closer.Close()
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", e.spec.Name, err)
	}
	e.mu.Lock()
	e.proc = p
	e.mu.Unlock()
	if err := e.ready(ctx, p); err != nil {
		return fmt.Errorf("start %s: %w; its log ends:\n%s", e.spec.Name, errors.Join(err, p.kill(e.dir.thaw)), e.dir.logTail())
	}
	return nil
}

// ping returns nil when the engine answers. Containerd listens when all of it is
// ready.
func (e *Engine) ping(ctx context.Context) error {
	if e.spec.Kind == Native {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", e.Socket())
		if err != nil {
			return err
		}
		return c.Close()
	}
	c, err := e.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Ping(ctx)
	return err
}

// ready polls until the engine answers, ends, or ctx is done.
func (e *Engine) ready(ctx context.Context, p *process) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := e.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it ended at once: %w", p.result())
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w (%w)", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// kill ends the process and returns when it and its namespace are gone. Until then it
// calls thaw again and again, since a paused container keeps the namespace.
func (p *process) kill(thaw func()) error {
	if p.ended() {
		return nil
	}
	if err := p.signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.pid, err)
	}
	for tick := time.NewTicker(thawEvery); ; {
		select {
		case <-p.done: // the kernel ends the whole namespace before this
			tick.Stop()
			return nil
		case <-tick.C:
			thaw()
		}
	}
}

// terminate asks the process to end and kills it after limit or when ctx is
// done.
func (p *process) terminate(ctx context.Context, limit time.Duration, thaw func()) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := p.signal(syscall.SIGTERM); err != nil {
		return p.kill(thaw)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return p.kill(thaw)
	}
}
