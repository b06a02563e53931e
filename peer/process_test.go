package peer_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/peer/internal/peertest"
)

// reexec runs the named tests in a separate process and returns its standard error, to which
// libraries write.
func reexec(t *testing.T, tests string) string {
	t.Helper()
	cmd := exec.CommandContext(peertest.Context(t), os.Args[0], "-test.run=^("+tests+")$", "-test.count=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr.String())
	}
	// Coverage runs print a line of their own.
	return regexp.MustCompile(`(?m)^warning: GOCOVERDIR.*\n`).ReplaceAllString(stderr.String(), "")
}

// No code that sends on its own is linked into the program.
func TestNothingElseOfLibp2pIsLinkedIn(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("needs the go tool to list dependencies")
	}
	out, err := exec.CommandContext(peertest.Context(t), goTool, "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 100 {
		t.Fatalf("only %d packages were listed", len(deps))
	}
	banned := regexp.MustCompile(`go-libp2p$|go-libp2p/config|autonat|autorelay|circuitv2|holepunch|p2p/net/nat|go-nat-pmp|goupnp|kad-dht|host/basic|` +
		`protocol/ping|protocol/identify|quic|security/noise|discovery|mdns|pion/|webtransport|websocket|` +
		`imgsend/imgsend/(engine|transfer|cmd)`)
	for _, dep := range deps {
		if banned.MatchString(dep) {
			t.Errorf("%s is part of this package", dep)
		}
	}
}
