package peer_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
)

const (
	rightCode = "7-crystal-tulip"
	wrongCode = "7-crystal-walrus"
)

// offer starts a pairing.
func offer(t testing.TB, host *peer.Host, config peer.PairingConfig) *peer.Pairing {
	t.Helper()
	if config.Code.IsZero() {
		config.Code = parseCode(t, rightCode)
	}
	if config.Name == "" {
		config.Name = "buildbox"
	}
	p, err := host.Pair(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Cancel)
	return p
}

func pair(t testing.TB, key crypto.PrivKey, target peer.Target, code string) (peer.Paired, error) {
	t.Helper()
	return peer.Pair(peertest.Context(t), key, target, peer.PairConfig{Code: parseCode(t, code), Name: "laptop"})
}

func TestPair(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		key := peertest.NewKey(t)
		book := peer.OpenBook(t.TempDir())
		host := listen(t, addr, peer.Policy{Allow: book.Known})
		target := at(t, host)
		if err := tryDial(t, key, target); !errors.Is(err, peer.ErrRefused) {
			t.Fatalf("before: error %v, want ErrRefused", err)
		}
		p := offer(t, host, peer.PairingConfig{Paired: func(met peer.Paired) error {
			_, err := book.Add(peer.Peer{ID: met.ID, Name: met.Name, Rights: peer.MaySend})
			return err
		}})
		met, err := pair(t, key, target, rightCode)
		if err != nil {
			t.Fatal(err)
		}
		if met.ID != host.ID() || met.Name != "buildbox" || !met.Addr.Equal(target.Addr) {
			t.Errorf("the dialer met %+v", met)
		}
		met, err = p.Wait(peertest.Context(t))
		if err != nil || met.ID != peertest.ID(t, key) || met.Name != "laptop" {
			t.Errorf("the listener met %+v, error %v", met, err)
		}
		if err := tryDial(t, key, target); err != nil {
			t.Errorf("after: %v", err)
		}
		if _, err := pair(t, peertest.NewKey(t), target, rightCode); !errors.Is(err, peer.ErrNoCode) {
			t.Errorf("the code was used twice: error %v, want ErrNoCode", err)
		}
		// A known peer gets the same answer.
		if _, err := pair(t, key, target, rightCode); !errors.Is(err, peer.ErrNoCode) {
			t.Errorf("the code was used twice: error %v, want ErrNoCode", err)
		}
	})
}

// If only the address is given, the code proves the ID.
func TestPairWithoutID(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		host := listen(t, addr, peer.Policy{})
		target := at(t, host)
		target = peer.Target{Kind: peer.TargetCode, Addr: target.Addr}
		id, err := peer.Identify(peertest.Context(t), target)
		if err != nil || id != host.ID() {
			t.Fatalf("identified %s, error %v", id, err)
		}
		offer(t, host, peer.PairingConfig{})
		met, err := pair(t, peertest.NewKey(t), target, rightCode)
		if err != nil || met.ID != host.ID() {
			t.Errorf("met %+v, error %v", met, err)
		}
	})
}

func TestIdentifyUnreachable(t *testing.T) {
	target := foreign(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	_, err := peer.Identify(peertest.Context(t), peer.Target{Addr: target.Addr})
	if !errors.Is(err, peer.ErrUnreachable) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error %v, want ErrUnreachable", err)
	}
	target = serveOnce(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-x\r\n") })
	if _, err := peer.Identify(peertest.Context(t), peer.Target{Addr: target.Addr}); !errors.Is(err, peer.ErrUnreachable) {
		t.Errorf("error %v, want ErrUnreachable", err)
	}
}

func TestPairWrongKeyOrSelf(t *testing.T) {
	key := peertest.NewKey(t)
	host, err := peer.Listen(peertest.Context(t), key, peer.ListenConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	offer(t, host, peer.PairingConfig{})
	target := at(t, host)
	if _, err := pair(t, key, target, rightCode); !errors.Is(err, peer.ErrSelf) {
		t.Errorf("error %v, want ErrSelf", err)
	}
	target.ID = peertest.ID(t, peertest.NewKey(t))
	if _, err := pair(t, peertest.NewKey(t), target, rightCode); !errors.Is(err, peer.ErrWrongKey) {
		t.Errorf("error %v, want ErrWrongKey", err)
	}
}

func TestWrongCodeBurns(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	p := offer(t, host, peer.PairingConfig{Paired: func(peer.Paired) error { t.Error("paired"); return nil }})
	if _, err := pair(t, peertest.NewKey(t), at(t, host), wrongCode); !errors.Is(err, peer.ErrWrongCode) {
		t.Errorf("error %v, want ErrWrongCode", err)
	}
	if _, err := p.Wait(peertest.Context(t)); !errors.Is(err, peer.ErrWrongCode) {
		t.Errorf("the listener's error is %v, want ErrWrongCode", err)
	}
	if _, err := pair(t, peertest.NewKey(t), at(t, host), rightCode); !errors.Is(err, peer.ErrNoCode) {
		t.Errorf("the right code after a wrong one: error %v, want ErrNoCode", err)
	}
	if err := tryDial(t, peertest.NewKey(t), at(t, host)); !errors.Is(err, peer.ErrRefused) {
		t.Errorf("error %v, want ErrRefused", err)
	}
}

// A code with another number belongs to another host and is not used up.
func TestAnotherNumberDoesNotBurn(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	offer(t, host, peer.PairingConfig{})
	if _, err := pair(t, peertest.NewKey(t), at(t, host), "8-crystal-tulip"); !errors.Is(err, peer.ErrNoCode) {
		t.Errorf("error %v, want ErrNoCode", err)
	}
	pairSoon(t, host)
}

// pairSoon pairs as soon as the connection of an earlier stranger is closed.
func pairSoon(t *testing.T, host *peer.Host) {
	t.Helper()
	peertest.WaitFor(t, "the place is free", func() bool {
		_, err := pair(t, peertest.NewKey(t), at(t, host), rightCode)
		if err != nil && !errors.Is(err, peer.ErrNoCode) {
			t.Fatal(err)
		}
		return err == nil
	})
}

func TestCodeExpires(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	p := offer(t, host, peer.PairingConfig{Life: time.Millisecond})
	if _, err := p.Wait(peertest.Context(t)); !errors.Is(err, peer.ErrCodeExpired) {
		t.Errorf("error %v, want ErrCodeExpired", err)
	}
	if _, err := pair(t, peertest.NewKey(t), at(t, host), rightCode); !errors.Is(err, peer.ErrNoCode) {
		t.Errorf("error %v, want ErrNoCode", err)
	}
}

// Sleep and changes of the system clock do not extend the lifetime of a code.
func TestCodeExpiresByEitherClock(t *testing.T) {
	old := time.Now().Add(-peer.CodeLife)
	for what, started := range map[string]time.Time{"both": old, "wall": old.Round(0)} {
		host := listen(t, "127.0.0.1:0", peer.Policy{})
		p := offer(t, host, peer.PairingConfig{})
		p.SetStarted(started)
		if _, err := pair(t, peertest.NewKey(t), at(t, host), rightCode); !errors.Is(err, peer.ErrCodeExpired) {
			t.Errorf("%s: error %v, want ErrCodeExpired", what, err)
		}
	}
}

// While a code is valid, a stranger may only pair.
func TestStrangerMayOnlyPair(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		host := listen(t, addr, peer.Policy{})
		offer(t, host, peer.PairingConfig{})
		if err := tryDial(t, peertest.NewKey(t), at(t, host)); !errors.Is(err, peer.ErrRefused) {
			t.Errorf("error %v, want ErrRefused", err)
		}
		pairSoon(t, host)
	})
}

// Strangers that the policy accepts still connect while a code is valid.
func TestPolicyStrangersBesideACode(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{Strangers: yes})
	offer(t, host, peer.PairingConfig{})
	s := dial(t, peertest.NewKey(t), at(t, host))
	accept(t, host)
	s.Reset()
	pairSoon(t, host)
}

func TestPairingThatCannotBeSaved(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	full := errors.New("disk full")
	p := offer(t, host, peer.PairingConfig{Paired: func(peer.Paired) error { return full }})
	if _, err := pair(t, peertest.NewKey(t), at(t, host), rightCode); !errors.Is(err, peer.ErrPairing) {
		t.Errorf("error %v, want ErrPairing", err)
	}
	if _, err := p.Wait(peertest.Context(t)); !errors.Is(err, full) {
		t.Errorf("the listener's error is %v", err)
	}
}

func TestFiveStrangersAtOnce(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	var paired atomic.Int32
	offer(t, host, peer.PairingConfig{Paired: func(peer.Paired) error { paired.Add(1); return nil }})
	var strangers sync.WaitGroup
	var in atomic.Int32
	for range 5 {
		strangers.Go(func() {
			_, err := pair(t, peertest.NewKey(t), at(t, host), rightCode)
			switch {
			case err == nil:
				in.Add(1)
			case !errors.Is(err, peer.ErrNoCode) && !errors.Is(err, peer.ErrBusy):
				t.Errorf("a stranger got %v", err)
			}
		})
	}
	strangers.Wait()
	if in.Load() != 1 || paired.Load() != 1 {
		t.Errorf("%d strangers came in and %d were paired, want one", in.Load(), paired.Load())
	}
}

func TestHostCloseEndsAPairing(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	p := offer(t, host, peer.PairingConfig{})
	if _, err := host.Pair(peer.PairingConfig{Code: newCode(t), Name: "b"}); err == nil {
		t.Error("two codes are out")
	}
	host.Close()
	if _, err := p.Wait(peertest.Context(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want net.ErrClosed", err)
	}
	p = offer(t, host, peer.PairingConfig{})
	if _, err := p.Wait(peertest.Context(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want net.ErrClosed", err)
	}
}

func TestPairEndsWithItsContext(t *testing.T) {
	other := stranger(t)
	other.SetStreamHandler(peer.PairProtocol, func(network.Stream) {}) // sends nothing
	target := listenAs(t, other)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := peer.Pair(ctx, peertest.NewKey(t), target, peer.PairConfig{Code: newCode(t), Name: "a"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	_, err = peer.Pair(t.Context(), peertest.NewKey(t), target, peer.PairConfig{Code: newCode(t), Name: "a", Timeout: 200 * time.Millisecond})
	if !errors.Is(err, peer.ErrPairing) {
		t.Errorf("error %v, want ErrPairing", err)
	}
}
