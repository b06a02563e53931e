package peertest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The addresses of the two hosts.
const (
	HostIP = "10.73.0.1"
	DialIP = "10.73.0.2"
)

// skip skips a test that needs network namespaces, or fails it if IMGSEND_MATRIX=required.
func skip(t *testing.T, why string, args ...any) {
	t.Helper()
	if os.Getenv("IMGSEND_MATRIX") == "required" {
		t.Fatalf(why, args...)
	}
	t.Skipf(why, args...)
}

// A Net is a network of two hosts with one link between them. Host and Dialer are the names of
// their network namespaces. The link is eth0 in both.
type Net struct {
	Host, Dialer string
}

// NewNet creates a network that is removed at the end of the test.
func NewNet(t *testing.T) *Net {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "needs root to make network namespaces")
	}
	for _, tool := range []string{"ip", "tcpdump"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip(t, "needs %s", tool)
		}
	}
	id := fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()%1e4)
	n := &Net{Host: "imgsend-h" + id, Dialer: "imgsend-d" + id}
	hostLink, dialLink := "vh"+id, "vd"+id
	for _, name := range []string{n.Host, n.Dialer} {
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
			skip(t, "cannot make network namespaces here: %v: %s", err, out)
		}
		// Without IPv6 the kernel itself sends nothing on the link.
		Run(t, "ip", "netns", "exec", name, "sh", "-c", "for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done")
		Run(t, "ip", "-n", name, "link", "set", "lo", "up")
	}
	out, err := exec.Command("ip", "link", "add", hostLink, "netns", n.Host, "type", "veth", "peer", "name", dialLink, "netns", n.Dialer).CombinedOutput()
	if err != nil {
		skip(t, "cannot make a pair of interfaces here: %v: %s", err, out)
	}
	for _, end := range []struct{ ns, link, ip, other string }{{n.Host, hostLink, HostIP, DialIP}, {n.Dialer, dialLink, DialIP, HostIP}} {
		// An interface named veth... would be left out as virtual.
		Run(t, "ip", "-n", end.ns, "link", "set", end.link, "name", "eth0")
		Run(t, "ip", "-n", end.ns, "addr", "add", end.ip+"/24", "dev", "eth0")
		Run(t, "ip", "-n", end.ns, "link", "set", "eth0", "up")
		// With a default route, packets to other networks appear on the link.
		Run(t, "ip", "-n", end.ns, "route", "add", "default", "via", end.other)
	}
	return n
}

// Run runs a program and returns its output. It fails the test if the program fails.
func Run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(Context(t), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Capture records all packets in a namespace. The returned function stops it and returns one
// line of text per packet.
func Capture(t *testing.T, ns string) func() []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "packets")
	cmd := exec.Command("ip", "netns", "exec", ns, "tcpdump", "-i", "any", "-n", "-U", "--immediate-mode", "-Z", "root", "-w", file)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "listening on") {
	}
	return func() []string {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, stderr)
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(Context(t), "tcpdump", "-n", "-r", file)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
	}
}
