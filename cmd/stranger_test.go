package cmd_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
	"github.com/libp2p/go-libp2p/core/crypto"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/rogpeppe/go-internal/testscript"
)

// archive FILE NAME[:TAG] MB writes a docker archive with an image of one layer,
// for scripts that need no engine: imgrecv -i FILE --store DIR unpacks it.
func cmdArchive(ts *testscript.TestScript, _ bool, args []string) {
	mb, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(throwaway.WriteDockerArchive(f, throwaway.Image{Ref: args[1],
		Layers: []throwaway.Layer{{Size: int64(mb * 1e6), Seed: 1, Kind: throwaway.Random, Files: 1}}}))
	ts.Check(f.Close())
}

type decoysKey struct{}

// decoys COUNT NUMBER starts hosts that announce a code of this number and have
// another one.
func cmdDecoys(t *testing.T, ts *testscript.TestScript, args []string) {
	count, err := strconv.Atoi(args[0])
	ts.Check(err)
	code, err := peer.ParseCode(args[1] + "-walrus-walrus")
	ts.Check(err)
	for i := range count {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		ts.Check(err)
		host, err := peer.Listen(t.Context(), key, peer.ListenConfig{Addr: "10.77.0.2:0"})
		ts.Check(err)
		ts.Defer(func() { host.Close() })
		name := fmt.Sprintf("decoy%d", i)
		announcer, err := lan.Announce(host.ID(), lan.Announcement{Name: name, Nameplate: args[1], Addrs: host.Addrs})
		ts.Check(err)
		ts.Defer(func() { announcer.Close() })
		p, err := host.Pair(peer.PairingConfig{Code: code, Name: name})
		ts.Check(err)
		pairings := ts.Value(decoysKey{}).(*[]*peer.Pairing)
		*pairings = append(*pairings, p)
	}
}

// closed NAME NUMBER announces a host of that name with a code of this number, whose port
// answers nobody. $CLOSED is its ID.
func cmdClosed(ts *testscript.TestScript, _ bool, args []string) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	ts.Check(err)
	id, err := lpeer.IDFromPrivateKey(key)
	ts.Check(err)
	addr, err := ma.NewMultiaddr("/ip4/10.77.0.2/tcp/9")
	ts.Check(err)
	announcer, err := lan.Announce(id, lan.Announcement{Name: args[0], Nameplate: args[1], Addrs: func() []ma.Multiaddr { return []ma.Multiaddr{addr} }})
	ts.Check(err)
	ts.Defer(func() { announcer.Close() })
	ts.Setenv("CLOSED", id.String())
}

// guessed COUNT checks how many of the decoys could test a guess.
func cmdGuessed(ts *testscript.TestScript, _ bool, args []string) {
	count := 0
	for _, p := range *ts.Value(decoysKey{}).(*[]*peer.Pairing) {
		select {
		case <-p.Done():
			_, err := p.Wait(context.Background())
			ts.Logf("a decoy: %v", err)
			count++
		default:
		}
	}
	if strconv.Itoa(count) != args[0] {
		ts.Fatalf("%d decoys could test a guess, not %s", count, args[0])
	}
}

// stalled CODE starts a host that has this code and, when it has seen the proof of it,
// says nothing more. $STALLED is its address.
func cmdStalled(t *testing.T, ts *testscript.TestScript, args []string) {
	code, err := peer.ParseCode(args[0])
	ts.Check(err)
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	ts.Check(err)
	host, err := peer.Listen(t.Context(), key, peer.ListenConfig{Addr: "127.0.0.1:0"})
	ts.Check(err)
	ts.Defer(func() { host.Close() })
	proven, over := make(chan struct{}), make(chan struct{})
	ts.Defer(func() { close(over) })
	_, err = host.Pair(peer.PairingConfig{Code: code, Name: "stalled", Paired: func(peer.Paired) error {
		close(proven)
		<-over
		return nil
	}})
	ts.Check(err)
	*ts.Value(provenKey{}).(*chan struct{}) = proven
	_, addr, err := manet.DialArgs(withoutID(host.Addrs()[0]))
	ts.Check(err)
	ts.Setenv("STALLED", addr)
}

type provenKey struct{}

// proven waits until the stalled host has seen the proof.
func cmdProven(ts *testscript.TestScript, _ bool, _ []string) {
	select {
	case <-*ts.Value(provenKey{}).(*chan struct{}):
	case <-time.After(jobTime):
		ts.Fatalf("nobody has sent a proof")
	}
}

func withoutID(a ma.Multiaddr) ma.Multiaddr {
	addr, _ := ma.SplitLast(a)
	return addr
}

type floodKey struct{}

// A flood is what dials to the addresses of a forged announcement lead to.
type flood struct {
	mu               sync.Mutex
	total, now, most int // connections
}

// flood COUNT PEERID announces that many addresses for a peer, at each of which
// somebody accepts connections and says nothing.
func cmdFlood(ts *testscript.TestScript, _ bool, args []string) {
	count, err := strconv.Atoi(args[0])
	ts.Check(err)
	id, err := peer.ParseID(args[1])
	ts.Check(err)
	f := ts.Value(floodKey{}).(*flood)
	var addrs []ma.Multiaddr
	for range count {
		l, err := net.Listen("tcp", "10.77.0.2:0")
		ts.Check(err)
		ts.Defer(func() { l.Close() })
		go f.accept(l)
		addr, err := manet.FromNetAddr(l.Addr())
		ts.Check(err)
		addrs = append(addrs, addr)
	}
	const atOnce = 8 // addresses of one announcement
	for some := range slices.Chunk(addrs, atOnce) {
		announcer, err := lan.Announce(id, lan.Announcement{Name: "buildbox", Addrs: func() []ma.Multiaddr { return some }})
		ts.Check(err)
		ts.Defer(func() { announcer.Close() })
	}
}

func (f *flood) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		f.count(1)
		go func() {
			defer f.count(-1)
			defer c.Close()
			_, _ = io.Copy(io.Discard, c) // until the dialer gives up
		}()
	}
}

func (f *flood) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total += max(n, 0)
	f.now += n
	f.most = max(f.most, f.now)
}

// flooded TOTAL ATONCE checks that at least one and at most that many addresses of
// a flood were dialed.
func cmdFlooded(ts *testscript.TestScript, _ bool, args []string) {
	total, err := strconv.Atoi(args[0])
	ts.Check(err)
	atOnce, err := strconv.Atoi(args[1])
	ts.Check(err)
	f := ts.Value(floodKey{}).(*flood)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.total == 0 || f.total > total || f.most > atOnce {
		ts.Fatalf("%d addresses were dialed, %d at a time; want at most %d and %d", f.total, f.most, total, atOnce)
	}
}
