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
type programs struct{ dir string }

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
	return &programs{dir}, nil
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

// send runs one transfer.
func (p *programs) send(ctx context.Context, from, to *host, ref string) error {
	recv := p.command(ctx, "B", "imgrecv", "--yes", "--json", "--listen", "127.0.0.1:0", "-H", to.addr)
	out, err := recv.StdoutPipe()
	if err != nil {
		return err
	}
	if err := recv.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	addr, err := listening(lines)
	if err == nil {
		send := p.command(ctx, "A", "imgsend", ref, "--to", addr, "-H", from.addr)
		send.Stdout = os.Stdout
		err = send.Run()
	}
	if err != nil {
		_ = recv.Process.Signal(os.Interrupt)
	}
	for lines.Scan() { // to its end, so that imgrecv is not held up
		_ = lines.Bytes()
	}
	return errors.Join(err, lines.Err(), recv.Wait())
}

// listening returns the address in imgrecv's first JSON line.
func listening(lines *bufio.Scanner) (string, error) {
	var ev struct {
		Event string
		Addrs []string
	}
	if !lines.Scan() {
		return "", errors.New("imgrecv ended before it listened")
	}
	if err := json.Unmarshal(lines.Bytes(), &ev); err != nil {
		return "", fmt.Errorf("imgrecv: %w", err)
	}
	if ev.Event != "listening" || len(ev.Addrs) == 0 {
		return "", fmt.Errorf("imgrecv said %s", lines.Text())
	}
	return ev.Addrs[0], nil
}
