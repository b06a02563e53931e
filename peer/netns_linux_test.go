package peer_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/libp2p/go-libp2p/core/crypto"
)

// The two ends of the wire that joins the namespaces.
const (
	hostIP = "10.73.0.1"
	dialIP = "10.73.0.2"
)

func init() {
	helpers["listen"] = helperListen
	helpers["dial"] = helperDial
	helpers["wait"] = helperWait
}

// helperListen says where it listens, serves one stream by sending back what
// comes, and ends.
func helperListen() error {
	host, err := helperHost()
	if err != nil {
		return err
	}
	defer host.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	in, err := host.Accept(ctx)
	if err != nil {
		return err
	}
	if _, err := io.Copy(in, in); err != nil {
		return err
	}
	return in.Close()
}

// helperHost listens where an imgrecv without options does, and lets all in.
func helperHost() (*peer.Host, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	host, err := peer.Listen(context.Background(), key, peer.ListenConfig{Policy: peer.Policy{Strangers: yes}})
	if err != nil {
		return nil, err
	}
	_, err = fmt.Println(host.Addrs()[0])
	return host, err
}

func helperDialed() (*peer.Stream, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	target, err := peer.ParseTarget(os.Getenv("PEER_TEST_TARGET"))
	if err != nil {
		return nil, err
	}
	return peer.Dial(context.Background(), key, target, peer.DialConfig{Protocol: proto})
}

// helperDial sends a megabyte and wants it back.
func helperDial() error {
	s, err := helperDialed()
	if err != nil {
		return err
	}
	data := make([]byte, 1<<20)
	go func() {
		s.Write(data)
		s.CloseWrite()
	}()
	got, err := io.ReadAll(s)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return fmt.Errorf("%d bytes came back", len(got))
	}
	return s.Close()
}

// helperWait dials and says after how long it noticed that the peer was gone,
// counted from the newline on its standard input.
func helperWait() error {
	s, err := helperDialed()
	if err != nil {
		return err
	}
	fmt.Println("connected")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	start := time.Now()
	if os.Getenv("PEER_TEST_WRITE") != "" {
		for err == nil {
			_, err = s.Write(make([]byte, 64<<10))
		}
	} else {
		_, err = s.Read(make([]byte, 1))
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("a lost peer looks like %w", err)
	}
	fmt.Println(time.Since(start))
	return s.Reset()
}

// skipNetns skips a test that needs network namespaces, where that is not a
// failure.
func skipNetns(t *testing.T, why string, args ...any) {
	t.Helper()
	if os.Getenv("IMGSEND_MATRIX") == "required" {
		t.Fatalf(why, args...)
	}
	t.Skipf(why, args...)
}

// netns is a network of two hosts and one wire, and nothing else.
type netns struct {
	host, dialer string
	hostLink     string
}

func newNetns(t *testing.T) *netns {
	t.Helper()
	if os.Getuid() != 0 {
		skipNetns(t, "needs root to make network namespaces")
	}
	for _, tool := range []string{"ip", "tcpdump"} {
		if _, err := exec.LookPath(tool); err != nil {
			skipNetns(t, "needs %s", tool)
		}
	}
	id := fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()%1e4)
	n := &netns{host: "imgsend-h" + id, dialer: "imgsend-d" + id, hostLink: "vh" + id}
	dialLink := "vd" + id
	for _, name := range []string{n.host, n.dialer} {
		t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
		if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
			skipNetns(t, "cannot make network namespaces here: %v: %s", err, out)
		}
		// Without IPv6 the kernel itself has nothing to say on the wire.
		run(t, "ip", "netns", "exec", name, "sh", "-c", "for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done")
		run(t, "ip", "-n", name, "link", "set", "lo", "up")
	}
	out, err := exec.Command("ip", "link", "add", n.hostLink, "netns", n.host, "type", "veth", "peer", "name", dialLink, "netns", n.dialer).CombinedOutput()
	if err != nil {
		skipNetns(t, "cannot make a pair of interfaces here: %v: %s", err, out)
	}
	for _, end := range []struct{ ns, link, ip, other string }{{n.host, n.hostLink, hostIP, dialIP}, {n.dialer, dialLink, dialIP, hostIP}} {
		// An interface called veth... would not be shown.
		run(t, "ip", "-n", end.ns, "link", "set", end.link, "name", "eth0")
		run(t, "ip", "-n", end.ns, "addr", "add", end.ip+"/24", "dev", "eth0")
		run(t, "ip", "-n", end.ns, "link", "set", "eth0", "up")
		// Packets to the world outside would be seen on the wire.
		run(t, "ip", "-n", end.ns, "route", "add", "default", "via", end.other)
	}
	return n
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(testContext(t), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// capture records all packets in a namespace until the returned function ends
// it and describes them, a line each.
func capture(t *testing.T, ns string) func() []string {
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
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "listening on") {
	}
	return func() []string {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, stderr)
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(testContext(t), "tcpdump", "-n", "-r", file)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
	}
}

// helper starts this test binary in a namespace as another program.
func helper(t *testing.T, ns, what string, env ...string) (stdin io.Writer, stdout *bufio.Reader, wait func() error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, self)
	cmd.Env = append(append(os.Environ(), helperEnv+"="+what), env...)
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
	t.Cleanup(func() { cmd.Process.Kill() })
	return in, bufio.NewReader(out), func() error {
		err := cmd.Wait()
		if err != nil || stderr.Len() > 0 {
			return fmt.Errorf("%s: %w: %s", what, err, stderr.String())
		}
		return nil
	}
}

func readLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestNothingIsSentButToTheAddressGiven(t *testing.T) {
	n := newNetns(t)
	ends := map[string]func() []string{"listening": capture(t, n.host), "dialing": capture(t, n.dialer)}

	_, stdout, listened := helper(t, n.host, "listen")
	addr := readLine(t, stdout)
	if !strings.HasPrefix(addr, "/ip4/"+hostIP+"/tcp/7420/p2p/") {
		t.Errorf("the host listens on %s, want the default port of its real interface", addr)
	}
	// Not to wait for anything: to give a listener that nobody speaks to the
	// time to say something of its own.
	time.Sleep(time.Second)
	_, _, dialed := helper(t, n.dialer, "dial", "PEER_TEST_TARGET="+addr)
	if err := errors.Join(dialed(), listened()); err != nil {
		t.Fatal(err)
	}

	arp := regexp.MustCompile(`ARP, Re(quest who-has|ply) ` + regexp.QuoteMeta("10.73.0.") + `[12] `)
	toHost := regexp.MustCompile(` IP ` + regexp.QuoteMeta(dialIP) + `\.\d+ > ` + regexp.QuoteMeta(hostIP) + `\.7420: Flags `)
	toDialer := regexp.MustCompile(` IP ` + regexp.QuoteMeta(hostIP) + `\.7420 > ` + regexp.QuoteMeta(dialIP) + `\.\d+: Flags `)
	for end, stop := range ends {
		var there, back int
		for _, packet := range stop() {
			switch {
			case arp.MatchString(packet):
			case toHost.MatchString(packet):
				there++
			case toDialer.MatchString(packet):
				back++
				if there == 0 {
					t.Errorf("the %s end saw the listener speak first: %s", end, packet)
				}
			default:
				t.Errorf("the %s end saw: %s", end, packet)
			}
		}
		if there == 0 || back == 0 {
			t.Errorf("the %s end saw %d packets there and %d back, the capture proves nothing", end, there, back)
		}
	}
}

// The default port and the next, on all addresses of a host of its own.
func TestDefaultPortFallsOverOnAHost(t *testing.T) {
	n := newNetns(t)
	for _, port := range []string{"7420", "7421"} {
		_, stdout, _ := helper(t, n.host, "listen")
		if addr := readLine(t, stdout); !strings.Contains(addr, "/tcp/"+port+"/") {
			t.Errorf("listens on %s, want port %s", addr, port)
		}
	}
}

// The times that the package documentation promises.
func TestLostPeerIsNoticed(t *testing.T) {
	if os.Getenv("PEER_TEST_SLOW") == "" {
		t.Skip("takes a minute and a half; set PEER_TEST_SLOW=1 to run it")
	}
	for name, c := range map[string]struct {
		env  string
		most time.Duration
	}{
		"reading": {"PEER_TEST_WRITE=", 95 * time.Second},
		"writing": {"PEER_TEST_WRITE=1", 95 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetns(t)
			_, hostOut, _ := helper(t, n.host, "listen")
			addr := readLine(t, hostOut)
			stdin, stdout, waited := helper(t, n.dialer, "wait", "PEER_TEST_TARGET="+addr, c.env)
			readLine(t, stdout)
			run(t, "ip", "-n", n.host, "link", "set", "eth0", "down")
			if _, err := io.WriteString(stdin, "\n"); err != nil {
				t.Fatal(err)
			}
			took, err := time.ParseDuration(readLine(t, stdout))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("noticed after %v", took)
			if took > c.most {
				t.Errorf("noticed after %v, promised within %v", took, c.most)
			}
			if err := waited(); err != nil {
				t.Error(err)
			}
		})
	}
}
