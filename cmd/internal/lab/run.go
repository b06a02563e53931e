package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway"
)

const listenLimit = 20 * time.Second // for imgrecv to be ready

// A Runner runs imgsend and imgrecv, one at each end of a link, with --json.
type Runner struct {
	link             *Link
	programs         *Programs
	sendEnv, recvEnv []string
}

// NewRunner returns a runner whose programs keep their keys and peers in folder.
func NewRunner(l *Link, p *Programs, folder string) *Runner {
	env := func(side string) []string {
		return Scrub(os.Environ(), "IMGSEND_HOME="+folder+"/home-"+side, "DOCKER_CONFIG="+folder)
	}
	return &Runner{link: l, programs: p, sendEnv: env("send"), recvEnv: env("recv")}
}

// Send starts imgsend, which sends out of an engine to an address. The arguments
// say what. Its events go to events, which may be nil.
func (r *Runner) Send(ctx context.Context, from *throwaway.Engine, addr string, events io.Writer, args ...string) (*Process, error) {
	argv := In(r.link.Sender, r.programs.Imgsend, "--json", "-H", from.Host(), "--to", addr)
	cmd := Command(ctx, append(argv, args...)...)
	cmd.Env, cmd.Stdout = r.sendEnv, events
	return Start(cmd, "imgsend")
}

// Listen starts imgrecv, which accepts anybody, and returns when it listens, with its
// address. The events that follow go to events.
func (r *Runner) Listen(ctx context.Context, to *throwaway.Engine, events io.Writer, args ...string) (*Process, string, error) {
	argv := In(r.link.Receiver, r.programs.Imgrecv, "--json", "--yes", "--listen", RecvAddr+":0", "-H", to.Host())
	cmd := Command(ctx, append(argv, args...)...)
	cmd.Env = r.recvEnv
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	cmd.Stdout = write
	p, err := Start(cmd, "imgrecv")
	write.Close()
	if err != nil {
		read.Close()
		return nil, "", err
	}
	addrs := make(chan string, 1)
	go func() {
		defer read.Close()
		lines := bufio.NewReader(read)
		addr, err := listening(lines)
		if err == nil {
			addrs <- addr
		}
		_, _ = io.Copy(events, lines) // imgrecv must not wait for a reader
	}()
	select {
	case addr := <-addrs:
		return p, addr, nil
	case <-p.Done():
		return nil, "", errors.Join(errors.New("imgrecv ended before it listened"), p.Wait())
	case <-time.After(listenLimit):
		p.Kill()
		return nil, "", errors.New("imgrecv does not listen")
	}
}

// listening reads imgrecv's events up to the one that says where it listens,
// and returns the address on the link.
func listening(r *bufio.Reader) (string, error) {
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return "", err
		}
		var e struct {
			Event string
			Addrs []string
		}
		if json.Unmarshal(line, &e) != nil || e.Event != "listening" {
			continue
		}
		for _, a := range e.Addrs {
			if strings.Contains(a, "/ip4/"+RecvAddr+"/tcp/") {
				return a, nil
			}
		}
		return "", fmt.Errorf("imgrecv listens at %q", e.Addrs)
	}
}

// Scrub returns an environment without what leads a program to another engine,
// and with extra variables.
func Scrub(environ []string, extra ...string) []string {
	out := slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		return strings.HasPrefix(v, "DOCKER_") || strings.HasPrefix(v, "CONTAINER_") || strings.HasPrefix(v, "CONTAINERD_")
	})
	return append(out, extra...)
}
