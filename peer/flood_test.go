package peer_test

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	manet "github.com/multiformats/go-multiaddr/net"
)

const crowd = 200

// Many strangers at the same time prove their keys and are refused.
func TestCrowdOfStrangersIsRefusedWhileAKnownPeerIsServed(t *testing.T) {
	known := peertest.NewKey(t)
	host := listen(t, "127.0.0.1:0", only(t, known))
	target := at(t, host)
	served := dial(t, known, target)
	in := accept(t, host)

	turns := make(chan struct{}, crowd)
	for range crowd {
		turns <- struct{}{}
	}
	close(turns)
	var strangers sync.WaitGroup
	for range 16 {
		strangers.Go(func() {
			for range turns {
				if err := tryDial(t, peertest.NewKey(t), target); !errors.Is(err, peer.ErrRefused) {
					t.Errorf("a stranger got %v, want ErrRefused", err)
				}
			}
		})
	}
	for range 50 {
		if _, err := served.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Read(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tryDial(t, known, target); err != nil {
		t.Errorf("a known peer was kept out: %v", err)
	}
	strangers.Wait()
}

// Many strangers at the same time connect and send nothing.
func TestCrowdOfSilentStrangersCostsLittle(t *testing.T) {
	known := peertest.NewKey(t)
	host := listen(t, "127.0.0.1:0", only(t, known))
	target := at(t, host)
	_, address, err := manet.DialArgs(target.Addr)
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	for range crowd {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	s := dial(t, known, target) // connects after all of them
	if _, err := s.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, accept(t, host)); got != "hello" {
		t.Errorf("got %q", got)
	}
	if grown := int64(heap()) - int64(before); grown > 32<<20 {
		t.Errorf("%d silent strangers cost %d bytes", crowd, grown)
	}
}

// There are more connections than the limit. The rest waits in the backlog, and idle
// connections time out, so a known peer is served in the end.
func TestCrowdBeyondTheLimitDoesNotLockOutForever(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a handshake may")
	}
	t.Parallel()
	known := peertest.NewKey(t)
	host := listen(t, "127.0.0.1:0", only(t, known))
	target := at(t, host)
	_, address, err := manet.DialArgs(target.Addr)
	if err != nil {
		t.Fatal(err)
	}
	for range peer.MaxConns + crowd {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	s, err := peer.Dial(peertest.Context(t), known, target, peer.DialConfig{Protocol: proto, Timeout: peertest.Patience})
	if err != nil {
		t.Fatal(err)
	}
	s.Reset()
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse + stats.StackInuse
}
