package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are the two built programs.
type programs struct {
	dir string
	met bool // the two hosts know each other
}

// build builds both with the go command that runs this.
func build(ctx context.Context) (*programs, error) {
	dir, err := os.MkdirTemp("", "imgdemo-")
	if err != nil {
		return nil, err
	}
	const module = "github.com/imgsend/imgsend/cmd/"
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), module+"imgsend", module+"imgrecv")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("go build: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return &programs{dir: dir}, nil
}

// command makes a command of one of the programs and prints it as typed.
func (p *programs) command(ctx context.Context, side string, name string, args ...string) *exec.Cmd {
	fmt.Printf("%s$ %s %s\n", side, name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, filepath.Join(p.dir, name), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), "IMGSEND_HOME="+filepath.Join(p.dir, side))
	cmd.Stderr = os.Stderr
	return cmd
}

// send runs one transfer: the first one to a code, which makes the two hosts
// known to each other, later ones to the name.
func (p *programs) send(ctx context.Context, from, to side, ref string) error {
	args := []string{"--json", "--listen", "127.0.0.1:0", "--name", peerName}
	args = append(args, to.flags()...)
	if !p.met {
		args = append(args, "--code")
	}
	recv := p.command(ctx, "B", "imgrecv", args...)
	out, err := recv.StdoutPipe()
	if err != nil {
		return err
	}
	if err := recv.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	ev, err := listening(lines)
	if err == nil {
		at := "@" + ev.hostPort() // on two hosts of one network it goes without
		target := peerName + at
		if ev.Code != "" {
			target = ev.Code + at
		}
		send := p.command(ctx, "A", "imgsend", append([]string{ref, "--to", target}, from.flags()...)...)
		send.Stdout = os.Stdout
		err = send.Run()
		p.met = true
	}
	if err != nil {
		_ = recv.Process.Signal(os.Interrupt)
	}
	for lines.Scan() { // to its end, so that imgrecv is not held up
		_ = lines.Bytes()
	}
	return errors.Join(err, lines.Err(), recv.Wait())
}

// peerName is what the receiving host is called.
const peerName = "demobox"

// waiting is the JSON event with which imgrecv says where it waits.
type waiting struct {
	Event string
	Addrs []string
	Code  string
}

// hostPort returns where imgrecv listens, of /ip4/127.0.0.1/tcp/PORT/p2p/ID.
func (w *waiting) hostPort() string {
	parts := strings.Split(w.Addrs[0], "/")
	return parts[2] + ":" + parts[4]
}

// listening reads imgrecv's events up to that one.
func listening(lines *bufio.Scanner) (*waiting, error) {
	for lines.Scan() {
		ev := &waiting{}
		if err := json.Unmarshal(lines.Bytes(), ev); err != nil {
			return nil, fmt.Errorf("imgrecv: %w", err)
		}
		if ev.Event != "listening" {
			continue
		}
		if len(ev.Addrs) == 0 || strings.Count(ev.Addrs[0], "/") < 4 {
			return nil, fmt.Errorf("imgrecv said %s", lines.Text())
		}
		return ev, nil
	}
	return nil, errors.New("imgrecv ended before it listened")
}
