package peer_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	"github.com/libp2p/go-libp2p/core/peerstore"
)

func TestStrangersOneAtATime(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		known := peertest.NewKey(t)
		policy := only(t, known)
		policy.Strangers = yes
		host := listen(t, addr, policy)

		first := dial(t, peertest.NewKey(t), at(t, host))
		in := accept(t, host)
		if err := tryDial(t, peertest.NewKey(t), at(t, host)); !errors.Is(err, peer.ErrRefused) {
			t.Fatalf("second stranger: error %v, want ErrRefused", err)
		}
		if err := tryDial(t, known, at(t, host)); err != nil {
			t.Fatalf("a known peer is kept out by a stranger: %v", err)
		}

		// Another stranger may connect once the connection is closed by either side.
		in.Reset()
		if err := tryDial(t, peertest.NewKey(t), at(t, host)); err != nil {
			t.Fatalf("after the host hung up: %v", err)
		}
		first.Reset()
		peertest.WaitFor(t, "the host notices that the stranger hung up", func() bool {
			err := tryDial(t, peertest.NewKey(t), at(t, host))
			if err != nil && !errors.Is(err, peer.ErrRefused) {
				t.Fatal(err)
			}
			return err == nil
		})
	})
}

func TestStrangersOnlyWhileAsked(t *testing.T) {
	var open atomic.Bool
	host := listen(t, "127.0.0.1:0", peer.Policy{Strangers: open.Load})
	if err := tryDial(t, peertest.NewKey(t), at(t, host)); !errors.Is(err, peer.ErrRefused) {
		t.Fatalf("error %v, want ErrRefused", err)
	}
	open.Store(true)
	if err := tryDial(t, peertest.NewKey(t), at(t, host)); err != nil {
		t.Fatal(err)
	}
	open.Store(false)
	if err := tryDial(t, peertest.NewKey(t), at(t, host)); !errors.Is(err, peer.ErrRefused) {
		t.Fatalf("error %v, want ErrRefused", err)
	}
}

func TestZeroPolicyLetsNobodyIn(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	if err := tryDial(t, peertest.NewKey(t), at(t, host)); !errors.Is(err, peer.ErrRefused) {
		t.Errorf("error %v, want ErrRefused", err)
	}
}

// A stranger that sends invalid data is disconnected.
func TestStrangerThatSpeaksAnotherProtocolIsPutOut(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{Strangers: yes})
	_, err := peer.Dial(peertest.Context(t), peertest.NewKey(t), at(t, host), peer.DialConfig{Protocol: "/other/1"})
	if !errors.Is(err, peer.ErrVersion) {
		t.Fatalf("error %v, want ErrVersion", err)
	}
	peertest.WaitFor(t, "the place is free", func() bool { return tryDial(t, peertest.NewKey(t), at(t, host)) == nil })
}

// A peer that opens no stream is disconnected.
func TestConnectionWithoutStreamIsClosed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	host := listen(t, "127.0.0.1:0", peer.Policy{Strangers: yes})
	other := stranger(t)
	target := at(t, host)
	other.Peerstore().AddAddr(target.ID, target.Addr, peerstore.TempAddrTTL)
	conn, err := other.Network().DialPeer(peertest.Context(t), target.ID)
	if err != nil {
		t.Fatal(err)
	}
	peertest.WaitFor(t, "the connection is closed", conn.IsClosed)
	if err := tryDial(t, peertest.NewKey(t), target); err != nil {
		t.Errorf("the place did not become free: %v", err)
	}
}

// One connection cannot fill the queue or pile up streams.
func TestOneStreamPerConnection(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{Strangers: yes})
	other := stranger(t)
	target := at(t, host)
	other.Peerstore().AddAddr(target.ID, target.Addr, peerstore.TempAddrTTL)
	if _, err := other.NewStream(peertest.Context(t), target.ID, proto); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := other.NewStream(peertest.Context(t), target.ID, proto); err == nil {
			t.Fatal("a second stream was let in")
		}
	}
	accept(t, host)
}

// A stranger whose connection broke reconnects before this side has noticed.
func TestStrangerComesBack(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{Strangers: yes})
	key := peertest.NewKey(t)
	first := dial(t, key, at(t, host))
	accept(t, host)
	second := dial(t, key, at(t, host))
	if got := accept(t, host).Peer(); !got.MatchesPrivateKey(key) {
		t.Errorf("%s has come back", got)
	}
	if !second.Key().Equals(key) {
		t.Error("it has dialed by another key")
	}
	if _, err := first.Read(make([]byte, 1)); err == nil {
		t.Error("its first connection goes on")
	}
	if err := tryDial(t, peertest.NewKey(t), at(t, host)); !errors.Is(err, peer.ErrRefused) {
		t.Errorf("another stranger: %v, want ErrRefused", err)
	}
}
