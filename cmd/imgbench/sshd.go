package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/lab"
)

// An sshServer is an sshd at the receiving end of the link that lets in the
// holder of one key, as root.
type sshServer struct {
	process *lab.Process
	client  []string // ssh with its options and the server's address
}

const sshStartLimit = 10 * time.Second

// sshRun runs sshd. /run/sshd is where Debian's sshd insists on an empty folder. If it is not
// there, sshd gets a private /run with it.
const sshRun = `[ -d /run/sshd ] || { mount -t tmpfs -o mode=755 tmpfs /run && mkdir -m 755 /run/sshd; } && exec "$@"`

// startSSH starts a server with all its files in folder. The caller kills the
// process.
func startSSH(ctx context.Context, l *lab.Link, folder string) (*sshServer, error) {
	sshd, err := findProgram("sshd")
	if err != nil {
		return nil, err
	}
	for _, tool := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, err
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	file := func(name string) string { return filepath.Join(folder, name) }
	for _, key := range []string{"host", "user"} {
		if _, err := lab.Output(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "imgbench", "-f", file(key)); err != nil {
			return nil, err
		}
	}
	hostKey, err := os.ReadFile(file("host.pub"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file("known_hosts"), append([]byte(lab.RecvAddr+" "), hostKey...), 0o600); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`ListenAddress %s:22
HostKey %q
AuthorizedKeysFile %q
PidFile none
LogLevel ERROR
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers root
`, lab.RecvAddr, file("host"), file("user.pub"))
	if err := os.WriteFile(file("config"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	s := &sshServer{client: lab.In(l.Sender, "ssh", "-F", "/dev/null", "-i", file("user"),
		"-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "UserKnownHostsFile="+file("known_hosts"), "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes",
		"root@"+lab.RecvAddr)}
	argv := lab.In(l.Receiver, "sh", "-c", sshRun, "sh", sshd, "-D", "-e", "-f", file("config"))
	if s.process, err = lab.Start(lab.Command(ctx, argv...), "sshd"); err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		s.process.Kill()
		return nil, fmt.Errorf("%w; sshd says: %s", err, lab.OneLine(s.process.Stderr()))
	}
	return s, nil
}

// run returns the command that runs a shell command at the receiver.
func (s *sshServer) run(remote string) stage {
	return append(s.client[:len(s.client):len(s.client)], remote)
}

// forward is run with an address that is the receiver's and, while the command
// runs, also the sender's: connections to it there are made from here.
func (s *sshServer) forward(addr, remote string) stage {
	return slices.Insert(s.run(remote), len(s.client)-1, "-o", "ExitOnForwardFailure=yes", "-L", addr+":"+addr)
}

// ready waits until a login succeeds.
func (s *sshServer) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sshStartLimit)
	defer cancel()
	for {
		_, err := lab.Output(ctx, s.run("true")...)
		if err == nil {
			return nil
		}
		select {
		case <-s.process.Done():
			return errors.New("sshd ended at once")
		case <-ctx.Done():
			return fmt.Errorf("no login succeeds: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// findProgram finds a program, also in folders that only root has in PATH.
func findProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(path) // sshd insists on it
	}
	for _, folder := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}
