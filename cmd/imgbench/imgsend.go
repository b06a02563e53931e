package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway"
)

const (
	listenLimit = 20 * time.Second // for imgrecv to be ready
	exitLimit   = 20 * time.Second // for imgrecv to end after imgsend has
)

// ours is imgsend and imgrecv.
type ours struct {
	link             *link
	programs         *programs
	sendEnv, recvEnv []string
}

func newOurs(l *link, p *programs, folder string) *ours {
	env := func(side string) []string {
		return scrub(os.Environ(), "IMGSEND_HOME="+folder+"/home-"+side, "DOCKER_CONFIG="+folder)
	}
	return &ours{link: l, programs: p, sendEnv: env("send"), recvEnv: env("recv")}
}

func (*ours) name() string { return "imgsend" }
func (*ours) rival() bool  { return false }
func (*ours) onLink() bool { return true }

func (c *ours) send(ctx context.Context, from, to *throwaway.Engine, image string) (s sample, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lowerPeak()
	recv, addr, err := c.listen(ctx, to)
	if err != nil {
		return s, err
	}
	defer func() {
		cancel()
		<-recv.done
	}()
	cmd := command(ctx, in(c.link.sender, c.programs.imgsend, "--json", "-H", from.Host(), "--to", addr, image)...)
	cmd.Env = c.sendEnv
	began := time.Now()
	send, err := start(cmd, "imgsend")
	if err != nil {
		return s, err
	}
	err = send.wait()
	s.took = time.Since(began)
	if err != nil {
		return s, err
	}
	select {
	case <-recv.done:
	case <-time.After(exitLimit):
		return s, errors.New("imgrecv does not end")
	}
	if err := recv.wait(); err != nil {
		return s, err
	}
	s.sendPeak, s.recvPeak, s.floor = send.peak(), recv.peak(), ownPeak()
	s.sendCPU, s.recvCPU = send.cpu(), recv.cpu()
	return s, nil
}

// listen starts imgrecv and returns when it waits, with its address.
func (c *ours) listen(ctx context.Context, to *throwaway.Engine) (*process, string, error) {
	cmd := command(ctx, in(c.link.receiver, c.programs.imgrecv, "--json", "--yes", "--listen", recvAddr+":0", "-H", to.Host())...)
	cmd.Env = c.recvEnv
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	cmd.Stdout = write
	p, err := start(cmd, "imgrecv")
	write.Close()
	if err != nil {
		read.Close()
		return nil, "", err
	}
	addrs := make(chan string, 1)
	go func() {
		defer read.Close()
		addr, err := listening(bufio.NewReader(read))
		if err == nil {
			addrs <- addr
		}
		_, _ = io.Copy(io.Discard, read) // imgrecv must not wait for a reader
	}()
	select {
	case addr := <-addrs:
		return p, addr, nil
	case <-p.done:
		return nil, "", errors.Join(errors.New("imgrecv ended before it listened"), p.wait())
	case <-time.After(listenLimit):
		p.kill()
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
			if strings.Contains(a, "/ip4/"+recvAddr+"/tcp/") {
				return a, nil
			}
		}
		return "", fmt.Errorf("imgrecv listens at %q", e.Addrs)
	}
}
