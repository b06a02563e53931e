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
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	"github.com/libp2p/go-libp2p/core/crypto"
)

func init() {
	peertest.Helpers["listen"] = helperListen
	peertest.Helpers["dial"] = helperDial
	peertest.Helpers["wait"] = helperWait
}

// helperListen prints its address, serves one stream by echoing it, and ends.
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

// helperHost listens like an imgrecv without options, and lets all peers in.
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

// helperDial sends a megabyte and expects it back.
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

// helperWait dials and prints how long after the newline on its standard input it noticed that
// the peer was gone.
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

func TestNothingIsSentButToTheAddressGiven(t *testing.T) {
	n := peertest.NewNet(t)
	ends := map[string]func() []string{"listening": peertest.Capture(t, n.Host), "dialing": peertest.Capture(t, n.Dialer)}

	_, stdout, listened := peertest.Start(t, n.Host, "listen")
	addr := peertest.ReadLine(t, stdout)
	if !strings.HasPrefix(addr, "/ip4/"+peertest.HostIP+"/tcp/7420/p2p/") {
		t.Errorf("the host listens on %s, want the default port of its real interface", addr)
	}
	// This sleep waits for no event: it gives an idle listener time to send something of its
	// own.
	time.Sleep(time.Second)
	_, _, dialed := peertest.Start(t, n.Dialer, "dial", "PEER_TEST_TARGET="+addr)
	if err := errors.Join(dialed(), listened()); err != nil {
		t.Fatal(err)
	}

	arp := regexp.MustCompile(`ARP, Re(quest who-has|ply) ` + regexp.QuoteMeta("10.73.0.") + `[12] `)
	toHost := regexp.MustCompile(` IP ` + regexp.QuoteMeta(peertest.DialIP) + `\.\d+ > ` + regexp.QuoteMeta(peertest.HostIP) + `\.7420: Flags `)
	toDialer := regexp.MustCompile(` IP ` + regexp.QuoteMeta(peertest.HostIP) + `\.7420 > ` + regexp.QuoteMeta(peertest.DialIP) + `\.\d+: Flags `)
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

// The default port and the next one, on all addresses of a separate host.
func TestDefaultPortFallsOverOnAHost(t *testing.T) {
	n := peertest.NewNet(t)
	for _, port := range []string{"7420", "7421"} {
		_, stdout, _ := peertest.Start(t, n.Host, "listen")
		if addr := peertest.ReadLine(t, stdout); !strings.Contains(addr, "/tcp/"+port+"/") {
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
			n := peertest.NewNet(t)
			_, hostOut, _ := peertest.Start(t, n.Host, "listen")
			addr := peertest.ReadLine(t, hostOut)
			stdin, stdout, waited := peertest.Start(t, n.Dialer, "wait", "PEER_TEST_TARGET="+addr, c.env)
			peertest.ReadLine(t, stdout)
			peertest.Run(t, "ip", "-n", n.Host, "link", "set", "eth0", "down")
			if _, err := io.WriteString(stdin, "\n"); err != nil {
				t.Fatal(err)
			}
			took, err := time.ParseDuration(peertest.ReadLine(t, stdout))
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
