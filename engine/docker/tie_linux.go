package docker

import (
	"os/exec"
	"syscall"
)

// tieTo makes the command end when the thread that starts it does, and keeps it out
// of this program's process group.
func tieTo(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}
