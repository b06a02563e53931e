package peer_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	ma "github.com/multiformats/go-multiaddr"
)

func TestListenForms(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:0":           "/ip4/127.0.0.1/tcp/",
		"[::1]:0":               "/ip6/::1/tcp/",
		"[::ffff:127.0.0.1]:0":  "/ip4/127.0.0.1/tcp/",
		"/ip4/127.0.0.1/tcp/0":  "/ip4/127.0.0.1/tcp/",
		"/ip6/::1/tcp/0":        "/ip6/::1/tcp/",
		"/dns4/localhost/tcp/0": "/ip4/127.0.0.1/tcp/",
	} {
		host := listen(t, addr, peer.Policy{})
		addrs := host.Addrs()
		if len(addrs) != 1 {
			t.Errorf("%s: addresses %v, want one", addr, addrs)
			continue
		}
		got := addrs[0].String()
		if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "/p2p/"+host.ID().String()) || strings.Contains(got, "/0/") {
			t.Errorf("%s: address %s, want %s...", addr, got, want)
		}
	}
}

func TestListenBadAddr(t *testing.T) {
	for _, addr := range []string{
		":", ":-1", ":65536", "65536", ":http", "local host:0", "[fe80::1%lo]:0", "fe80::1%lo",
		"/ip4/127.0.0.1", "/dnsaddr/localhost/tcp/0", "/ip4/127.0.0.1/tcp/0/ws", "/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0/p2p/" + someID, "/nonsense",
	} {
		host, err := peer.Listen(peertest.Context(t), peertest.NewKey(t), peer.ListenConfig{Addr: addr})
		if err == nil {
			host.Close()
		}
		if !errors.Is(err, peer.ErrBadAddr) {
			t.Errorf("%q: error %v is not ErrBadAddr", addr, err)
		}
	}
}

// TestListenName listens at all addresses of a host name, with one port.
func TestListenName(t *testing.T) {
	host := listen(t, "localhost:0", peer.Policy{})
	port, err := at(t, host).Addr.ValueForProtocol(ma.P_TCP)
	if err != nil {
		t.Fatal(err)
	}
	target, err := peer.ParseTarget(":" + port)
	if err != nil {
		t.Fatal(err)
	}
	found, err := target.Resolve(peertest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range found {
		if id, err := peer.Identify(peertest.Context(t), at); err != nil || id != host.ID() {
			t.Errorf("at %s is %s, %v", at, id, err)
		}
	}
}

func TestListenUnknownName(t *testing.T) {
	_, err := peer.Listen(peertest.Context(t), peertest.NewKey(t), peer.ListenConfig{Addr: "nobody.invalid:0"})
	if err == nil || errors.Is(err, peer.ErrBadAddr) || !strings.Contains(err.Error(), "nobody.invalid has no address") {
		t.Errorf("error %v, want that the name has no address, which may change", err)
	}
}

func TestResolveFails(t *testing.T) {
	target, err := peer.ParseTarget("/dns/nobody.invalid/tcp/7420/p2p/" + someID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = target.Resolve(peertest.Context(t))
	if !errors.Is(err, peer.ErrUnreachable) || !strings.Contains(err.Error(), "nobody.invalid has no address") {
		t.Errorf("error %v, want that the name has no address", err)
	}
	if err := tryDial(t, peertest.NewKey(t), target); !errors.Is(err, peer.ErrBadTarget) {
		t.Errorf("error %v of a dial, want that the name was not looked up", err)
	}
}

func TestListenPortTaken(t *testing.T) {
	first := listen(t, "127.0.0.1:0", peer.Policy{})
	_, err := peer.Listen(peertest.Context(t), peertest.NewKey(t), peer.ListenConfig{Addr: at(t, first).Addr.String()})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("error %v, want that the port is in use", err)
	}
}

func TestListenDefaultPortFallsOver(t *testing.T) {
	loopback := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	// A port is taken if it is on one of the two.
	for _, taken := range []string{"127.0.0.1:0", "[::1]:0"} {
		socket, err := net.Listen("tcp", taken)
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		first := socket.Addr().(*net.TCPAddr).Port
		if first > 65000 {
			t.Skip("the system chose too high a port")
		}
		host, err := peer.ListenNear(peertest.Context(t), peertest.NewKey(t), first, loopback...)
		if err != nil {
			t.Fatal(err)
		}
		defer host.Close()
		ports := map[string]bool{}
		for _, addr := range host.Addrs() {
			port, err := addr.ValueForProtocol(ma.P_TCP)
			if err != nil {
				t.Fatal(err)
			}
			ports[port] = true
		}
		if len(host.Addrs()) != 2 || len(ports) != 1 {
			t.Errorf("listens on %v, want two addresses of one port", host.Addrs())
		}
	}
}

func TestListenPortZeroIsTheSameOnBothFamilies(t *testing.T) {
	host, err := peer.ListenNear(peertest.Context(t), peertest.NewKey(t), 0, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback())
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	addrs := host.Addrs()
	if len(addrs) != 2 {
		t.Fatalf("listens on %v", addrs)
	}
	v4, _ := addrs[0].ValueForProtocol(ma.P_TCP)
	v6, _ := addrs[1].ValueForProtocol(ma.P_TCP)
	if v4 != v6 || v4 == "0" {
		t.Errorf("listens on %v", addrs)
	}
}

func TestAcceptEndsWithContextAndHost(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := host.Accept(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := host.Accept(context.Background())
		got <- err
	}()
	if err := host.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want net.ErrClosed", err)
	}
}

func TestStreamsWaitInOrderAndTheRestIsBusy(t *testing.T) {
	key := peertest.NewKey(t)
	host := listen(t, "127.0.0.1:0", only(t, key))
	var dialed []*peer.Stream
	for range peer.MaxWaiting {
		s := dial(t, key, at(t, host))
		if _, err := s.Write([]byte{byte(len(dialed))}); err != nil {
			t.Fatal(err)
		}
		dialed = append(dialed, s)
	}
	if err := tryDial(t, key, at(t, host)); !errors.Is(err, peer.ErrBusy) {
		t.Fatalf("error %v, want ErrBusy", err)
	}
	for i := range dialed {
		s := accept(t, host)
		var got [1]byte
		if _, err := s.Read(got[:]); err != nil || int(got[0]) != i {
			t.Fatalf("stream %d came as number %d, %v", got[0], i, err)
		}
		s.Reset()
	}
	if err := tryDial(t, key, at(t, host)); err != nil {
		t.Errorf("the places did not become free: %v", err)
	}
}

func TestDeadStreamsGiveUpTheirPlace(t *testing.T) {
	key := peertest.NewKey(t)
	host := listen(t, "127.0.0.1:0", only(t, key))
	for range peer.MaxWaiting {
		dial(t, key, at(t, host)).Reset()
	}
	peertest.WaitFor(t, "a place is free", func() bool { return !errors.Is(tryDial(t, key, at(t, host)), peer.ErrBusy) })
	s := dial(t, key, at(t, host))
	if _, err := s.Write([]byte("alive")); err != nil {
		t.Fatal(err)
	}
	// Accept may still return a dead stream just before its end is noticed.
	var got [5]byte
	peertest.WaitFor(t, "the live stream comes", func() bool {
		n, _ := accept(t, host).Read(got[:])
		return string(got[:n]) == "alive"
	})
}
