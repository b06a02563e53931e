package cmd_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// insideVar is set in the tests' own network namespace.
const insideVar = "IMGSEND_TEST_INSIDE"

// TestMain runs the tests in a network namespace of their own, with a loopback
// interface and a small network, so that what the programs say to the local
// network stays here. Where that is not allowed they run without, and the
// scripts that need a network are skipped.
func TestMain(m *testing.M) {
	if os.Getenv(insideVar) != "" || os.Geteuid() != 0 {
		os.Exit(m.Run())
	}
	self, err := os.Executable()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	cmd := exec.Command("/bin/sh", append([]string{"-ec", network, self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	}
	fmt.Println("no network namespace:", err)
	if os.Getenv("IMGSEND_MATRIX") == "required" {
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// network makes the namespace's network: eth0, with a cable to itself.
var network = strings.TrimSpace(`
ip link set lo up
ip link add eth0 type veth peer name far0
ip addr add 10.77.0.2/24 dev eth0
ip link set eth0 up
ip link set far0 up
exec "$0" "$@"
`)
