package peer_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	"github.com/libp2p/go-libp2p/core/crypto"
)

const proto = peer.ProtocolFamily + "1"

func TestMain(m *testing.M) { peertest.TestMain(m) }

// only is a policy that allows these keys and refuses all others.
func only(t testing.TB, keys ...crypto.PrivKey) peer.Policy {
	t.Helper()
	known := map[peer.ID]bool{}
	for _, key := range keys {
		known[peertest.ID(t, key)] = true
	}
	return peer.Policy{Allow: func(id peer.ID) bool { return known[id] }}
}

func yes() bool { return true }

// listen starts a host on loopback that ends with the test.
func listen(t testing.TB, addr string, policy peer.Policy) *peer.Host {
	t.Helper()
	host, err := peer.Listen(peertest.Context(t), peertest.NewKey(t), peer.ListenConfig{Addr: addr, Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Errorf("close host: %v", err)
		}
	})
	return host
}

// at is the target under which host can be dialed.
func at(t testing.TB, host *peer.Host) peer.Target {
	t.Helper()
	addrs := host.Addrs()
	if len(addrs) == 0 {
		t.Fatal("host has no address")
	}
	target, err := peer.ParseTarget(addrs[0].String())
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func dial(t testing.TB, key crypto.PrivKey, target peer.Target) *peer.Stream {
	t.Helper()
	s, err := peer.Dial(peertest.Context(t), key, target, peer.DialConfig{Protocol: proto})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Reset() })
	setDeadline(t, s)
	return s
}

func accept(t testing.TB, host *peer.Host) *peer.Stream {
	t.Helper()
	s, err := host.Accept(peertest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Reset() })
	setDeadline(t, s)
	return s
}

func setDeadline(t testing.TB, s *peer.Stream) {
	t.Helper()
	deadline := time.Now().Add(peertest.Patience)
	if err := errors.Join(s.SetReadDeadline(deadline), s.SetWriteDeadline(deadline)); err != nil {
		t.Fatal(err)
	}
}

// connect returns both ends of one stream.
func connect(t testing.TB, addr string) (dialed, accepted *peer.Stream) {
	t.Helper()
	key := peertest.NewKey(t)
	host := listen(t, addr, only(t, key))
	dialed = dial(t, key, at(t, host))
	return dialed, accept(t, host)
}

// tryDial dials as the given key and drops the stream.
func tryDial(t testing.TB, key crypto.PrivKey, target peer.Target) error {
	t.Helper()
	s, err := peer.Dial(peertest.Context(t), key, target, peer.DialConfig{Protocol: proto})
	if err == nil {
		s.Reset()
	}
	return err
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
