package cmd_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/peer"
	"github.com/libp2p/go-libp2p/core/crypto"
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
		announcer, err := peer.Announce(host.ID(), peer.Announcement{Name: name, Nameplate: args[1], Addrs: host.Addrs})
		ts.Check(err)
		ts.Defer(func() { announcer.Close() })
		p, err := host.Pair(peer.PairingConfig{Code: code, Name: name})
		ts.Check(err)
		pairings := ts.Value(decoysKey{}).(*[]*peer.Pairing)
		*pairings = append(*pairings, p)
	}
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
