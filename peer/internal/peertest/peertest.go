// Package peertest contains helpers for the tests of package peer and its subpackages: keys,
// timeouts, and a network of two hosts, made of two Linux network namespaces and a link between
// them. The test binary is started in them as other programs, and their packets are captured.
//
// The network needs root and the programs ip and tcpdump. Without them the test is skipped,
// unless IMGSEND_MATRIX=required.
package peertest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/goleak"
)

// Patience is the timeout for everything that should happen at once.
const Patience = 30 * time.Second

// TestMain runs the tests, or the helper that this process was started as. It fails if
// goroutines are left.
func TestMain(m *testing.M) {
	Main() // does not return in a helper process
	goleak.VerifyTestMain(m)
}

// Context returns a context that ends with the test or after Patience.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// NewKey returns a new key.
func NewKey(t testing.TB) crypto.PrivKey {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ID returns the ID of a key.
func ID(t testing.TB, key crypto.PrivKey) lpeer.ID {
	t.Helper()
	id, err := lpeer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// WaitFor polls done until it returns true, and fails the test after Patience. Use it for
// events on the other side.
func WaitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
