package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/imgsend/imgsend/engine/docker/endpoint"
	"github.com/imgsend/imgsend/transfer"
)

// A podmanService is a `podman system service` of this program's own, the API of a
// Podman whose socket nobody serves. It ends with the program, also if that is killed.
type podmanService struct {
	dir  string // holds the socket
	stop func()
	done chan struct{} // closed when the command has ended
	err  error         // how; set before done is closed
}

const (
	podmanCommand = "podman"
	podmanFolder  = "imgsend-podman-" // begins the name of a socket's folder
	podmanSocket  = "s"

	// podmanStart bounds how long the service may take to listen.
	podmanStart = 15 * time.Second
	podmanPoll  = 20 * time.Millisecond
	podmanStop  = 5 * time.Second
)

// StartPodman opens the Podman of this user by a `podman system service` that runs
// until the engine is closed. Its error is ErrNone where there is no command podman,
// or one that only talks to a Podman elsewhere (as on macOS and Windows).
func StartPodman(ctx context.Context) (*Engine, error) {
	command, err := exec.LookPath(podmanCommand)
	if err != nil || runtime.GOOS != "linux" {
		return nil, ErrNone
	}
	e, err := startPodman(ctx, exec.Command(command, "system", "service", "--time=0"))
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &transfer.Error{Kind: transfer.KindEngine, Err: fmt.Errorf("podman system service does not start: %w", err),
			Hint: "does `podman info` work for this user? -H names another engine"}
	}
	return e, nil
}

// startPodman runs the command, to which it adds the address to listen at.
func startPodman(ctx context.Context, cmd *exec.Cmd) (*Engine, error) {
	base := cmp.Or(os.Getenv("XDG_RUNTIME_DIR"), os.TempDir())
	sweepPodman(base)
	dir, err := os.MkdirTemp(base, podmanFolder)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, podmanSocket)
	cmd.Args = append(cmd.Args, "unix://"+socket)
	said := &lastLines{}
	cmd.Stderr = said
	p := &podmanService{dir: dir, done: make(chan struct{})}
	if err := p.start(cmd); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	e, err := p.open(ctx, endpoint.Endpoint{Host: "unix://" + socket, From: "podman system service, started for this run"})
	if err != nil {
		p.close()
		if text := said.String(); text != "" && ctx.Err() == nil {
			err = errors.New(text)
		}
		return nil, err
	}
	e.own = p
	return e, nil
}

// sweepPodman removes what killed programs have left of services in a folder: sockets
// that nobody serves, but for those of services that may be about to.
func sweepPodman(base string) {
	left, _ := filepath.Glob(filepath.Join(base, podmanFolder+"*"))
	for _, dir := range left {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < podmanStart {
			continue
		}
		conn, err := net.Dial("unix", filepath.Join(dir, podmanSocket))
		if err == nil {
			_ = conn.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
			_ = os.RemoveAll(dir) // fails for another user's
		}
	}
}

// start runs the command, apart from the terminal's process group, so that an
// interrupt leaves it there for the tidying up.
func (p *podmanService) start(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		// The kernel ends the command when the thread that started it ends.
		runtime.LockOSThread()
		tieTo(cmd)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(podmanStop):
			_ = cmd.Process.Kill()
			<-p.done
		}
	}
	return nil
}

// open waits until the service answers.
func (p *podmanService) open(ctx context.Context, ep endpoint.Endpoint) (*Engine, error) {
	ctx, cancel := context.WithTimeout(ctx, podmanStart)
	defer cancel()
	tick := time.NewTicker(podmanPoll)
	defer tick.Stop()
	for {
		conn, err := net.Dial("unix", strings.TrimPrefix(ep.Host, "unix://"))
		if err == nil {
			_ = conn.Close()
			return tryOpen(ctx, ep)
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("it ended: %w", p.err)
		case <-ctx.Done():
			return nil, fmt.Errorf("it does not listen: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// close ends the service.
func (p *podmanService) close() {
	p.stop()
	_ = os.RemoveAll(p.dir)
}

// lastLines keeps the end of what a command says.
type lastLines struct{ text []byte }

// maxSaid is how much of it is kept, in bytes.
const maxSaid = 512

func (l *lastLines) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	l.text = l.text[max(0, len(l.text)-maxSaid):]
	return len(p), nil
}

// String is safe to call when the command has ended.
func (l *lastLines) String() string { return strings.Join(strings.Fields(string(l.text)), " ") }
