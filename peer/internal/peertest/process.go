package peertest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// HelperVar is the environment variable with the name of the helper that the test binary runs,
// see [Main].
const HelperVar = "PEER_TEST_HELPER"

// Helpers are the programs that the test binary can run instead of the tests, by name.
var Helpers = map[string]func() error{}

// Main runs the helper that this process was started as and exits. It returns if there is none.
// TestMain calls it first.
func Main() {
	if helper, ok := Helpers[os.Getenv(HelperVar)]; ok {
		if err := helper(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// Start starts the test binary in a namespace as the named helper. wait returns an error if the
// helper fails or writes to stderr.
func Start(t *testing.T, ns, what string, env ...string) (stdin io.Writer, stdout *bufio.Reader, wait func() error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, self)
	cmd.Env = append(append(os.Environ(), HelperVar+"="+what), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return in, bufio.NewReader(out), func() error {
		err := cmd.Wait()
		if err != nil || stderr.Len() > 0 {
			return fmt.Errorf("%s: %w: %s", what, err, stderr.String())
		}
		return nil
	}
}

// ReadLine reads one line of a helper's output. It fails the test if there is none.
func ReadLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
