package peer_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	blankhost "github.com/libp2p/go-libp2p/p2p/host/blank"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// transports are the loopback addresses on which everything must work.
var transports = map[string]string{
	"tcp4": "127.0.0.1:0",
	"tcp6": "[::1]:0",
}

func onEachTransport(t *testing.T, test func(t *testing.T, addr string)) {
	for name, addr := range transports {
		t.Run(name, func(t *testing.T) { test(t, addr) })
	}
}

func TestDialKnowsWhoAnswers(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		key := peertest.NewKey(t)
		host := listen(t, addr, only(t, key))
		out := dial(t, key, at(t, host))
		in := accept(t, host)
		if out.Peer() != host.ID() || in.Peer() != peertest.ID(t, key) {
			t.Errorf("the ends are %s and %s", out.Peer(), in.Peer())
		}
		if out.Protocol() != proto || in.Protocol() != proto {
			t.Errorf("the protocols are %s and %s", out.Protocol(), in.Protocol())
		}
		if !out.RemoteAddr().Equal(at(t, host).Addr) || !manet.IsIPLoopback(in.RemoteAddr()) {
			t.Errorf("the addresses are %s and %s", out.RemoteAddr(), in.RemoteAddr())
		}
	})
}

func TestDialRefused(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		host := listen(t, addr, only(t))
		key := peertest.NewKey(t)
		for range 10 {
			err := tryDial(t, key, at(t, host))
			if !errors.Is(err, peer.ErrRefused) || errors.Is(err, peer.ErrUnreachable) {
				t.Fatalf("error %v, want ErrRefused", err)
			}
			var gated *network.ConnError
			if !errors.As(err, &gated) || gated.ErrorCode != 0x1007 {
				t.Fatalf("error %v does not wrap the code of a gated connection", err)
			}
			if !strings.Contains(err.Error(), peertest.ID(t, key).String()) {
				t.Errorf("error %q does not say under which ID this host is unknown", err)
			}
		}
	})
}

func TestDialWrongKey(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		key := peertest.NewKey(t)
		host := listen(t, addr, only(t, key))
		target := at(t, host)
		target.ID = peertest.ID(t, peertest.NewKey(t))
		err := tryDial(t, key, target)
		if !errors.Is(err, peer.ErrWrongKey) || !strings.Contains(err.Error(), host.ID().String()) {
			t.Errorf("error %v, want ErrWrongKey that names %s", err, host.ID())
		}
	})
}

// TestDialSelf connects two programs with the same key.
func TestDialSelf(t *testing.T) {
	key := peertest.NewKey(t)
	ctx := peertest.Context(t)
	host, err := peer.Listen(ctx, key, peer.ListenConfig{Addr: "127.0.0.1:0", Policy: peer.Policy{Strangers: func() bool { return true }}})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	stream, err := peer.Dial(ctx, key, at(t, host), peer.DialConfig{Protocol: proto})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	accepted, err := host.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if accepted.Peer() == peertest.ID(t, key) {
		t.Errorf("accepted as %s", accepted.Peer())
	}
}

func TestDialNobodyListens(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := foreign(t, socket.Addr())
	socket.Close()
	err = tryDial(t, peertest.NewKey(t), target)
	if !errors.Is(err, peer.ErrUnreachable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is longer than a line", err)
	}
}

func TestDialNotLibp2p(t *testing.T) {
	for name, serve := range map[string]struct {
		with func(net.Conn)
		want string
	}{
		"ssh":    {func(c net.Conn) { c.Write([]byte("SSH-2.0-OpenSSH_9.9\r\n")); c.Read(make([]byte, 1)) }, ""},
		"http":   {func(c net.Conn) { c.Read(make([]byte, 1)); c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, ""},
		"closes": {func(net.Conn) {}, "closed the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tryDial(t, peertest.NewKey(t), serveOnce(t, serve.with))
			if !errors.Is(err, peer.ErrUnreachable) || !strings.Contains(err.Error(), serve.want) {
				t.Errorf("error %v, want ErrUnreachable with %q", err, serve.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q is longer than a line", err)
			}
		})
	}
}

func TestDialTimesOut(t *testing.T) {
	silent := serveOnce(t, func(c net.Conn) {
		c.SetReadDeadline(time.Now().Add(peertest.Patience))
		for {
			if _, err := c.Read(make([]byte, 1024)); err != nil {
				return
			}
		}
	})
	start := time.Now()
	_, err := peer.Dial(peertest.Context(t), peertest.NewKey(t), silent, peer.DialConfig{Protocol: proto, Timeout: 200 * time.Millisecond})
	if !errors.Is(err, peer.ErrUnreachable) || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestDialContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	target := serveOnce(t, func(c net.Conn) {
		cancel() // while the dialer waits for an answer
		c.SetReadDeadline(time.Now().Add(peertest.Patience))
		for {
			if _, err := c.Read(make([]byte, 1024)); err != nil {
				return
			}
		}
	})
	_, err := peer.Dial(ctx, peertest.NewKey(t), target, peer.DialConfig{Protocol: proto})
	if !errors.Is(err, context.Canceled) || errors.Is(err, peer.ErrUnreachable) {
		t.Errorf("error %v, want the one of the context alone", err)
	}
}

func TestDialBadTarget(t *testing.T) {
	good, err := peer.ParseTarget(goodTargets[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []peer.Target{
		{}, {ID: good.ID}, {Addr: good.Addr},
		{ID: good.ID, Addr: ma.StringCast("/dns/example.com/tcp/7420")},
	} {
		if err := tryDial(t, peertest.NewKey(t), target); !errors.Is(err, peer.ErrBadTarget) {
			t.Errorf("%v: error %v, want ErrBadTarget", target, err)
		}
	}
}

func TestDialWithoutProtocol(t *testing.T) {
	if _, err := peer.Dial(t.Context(), peertest.NewKey(t), peer.Target{}, peer.DialConfig{}); err == nil {
		t.Error("dialed without a protocol")
	}
}

// Unknown versions are passed to the caller, who can refuse them with a message.
func TestDialOtherVersionIsHandedOut(t *testing.T) {
	key := peertest.NewKey(t)
	host := listen(t, "127.0.0.1:0", only(t, key))
	for _, version := range []string{"2", "1.7", "99-beta"} {
		s, err := peer.Dial(peertest.Context(t), key, at(t, host), peer.DialConfig{Protocol: peer.ProtocolFamily + version})
		if err != nil {
			t.Fatalf("version %s: %v", version, err)
		}
		defer s.Reset()
		if got := accept(t, host).Protocol(); got != peer.ProtocolFamily+version {
			t.Errorf("version %s arrived as %s", version, got)
		}
	}
}

func TestDialNoCommonVersion(t *testing.T) {
	key := peertest.NewKey(t)
	host := listen(t, "127.0.0.1:0", only(t, key))
	for _, p := range []string{"/other/1", "/imgsend/transfer/", "/imgsend/transfer/\x1b[31m", "/imgsend/transfer/" + strings.Repeat("1", 100)} {
		_, err := peer.Dial(peertest.Context(t), key, at(t, host), peer.DialConfig{Protocol: p})
		if !errors.Is(err, peer.ErrVersion) || !strings.Contains(err.Error(), "it does not speak [") {
			t.Errorf("%q: error %v, want ErrVersion", p, err)
		}
	}
}

// Other libp2p programs can connect to a host.
func TestStandardLibp2pDials(t *testing.T) {
	other := stranger(t)
	host := listen(t, "127.0.0.1:0", peer.Policy{Allow: func(id peer.ID) bool { return id == other.ID() }})
	target := at(t, host)
	other.Peerstore().AddAddr(target.ID, target.Addr, peerstore.TempAddrTTL)
	s, err := other.NewStream(peertest.Context(t), target.ID, "/unknown/1", proto)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, accept(t, host)); got != "hello" {
		t.Errorf("got %q", got)
	}
}

func TestNothingIsPrinted(t *testing.T) {
	if out := reexec(t, "TestDialRefused|TestDialWrongKey|TestStrangersOneAtATime|TestStandardLibp2pDials|TestCutConnection"); out != "" {
		t.Errorf("libp2p printed:\n%s", out)
	}
}

// stranger is a host with libp2p's own transports and defaults.
func stranger(t *testing.T) *blankhost.BlankHost {
	t.Helper()
	network, closeAll, err := peer.NewSwarm(peertest.NewKey(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll() })
	return blankhost.NewBlankHost(network)
}

// foreign is a target at addr with the ID of a key that nobody has.
func foreign(t *testing.T, addr net.Addr) peer.Target {
	t.Helper()
	maddr, err := manet.FromNetAddr(addr)
	if err != nil {
		t.Fatal(err)
	}
	return peer.Target{ID: peertest.ID(t, peertest.NewKey(t)), Addr: maddr}
}

// serveOnce answers one connection on loopback with serve.
func serveOnce(t *testing.T, serve func(net.Conn)) peer.Target {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := socket.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}()
	t.Cleanup(func() { socket.Close(); <-done })
	return foreign(t, socket.Addr())
}
