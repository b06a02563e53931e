// Package peertest has what the tests of package peer and its parts share: keys,
// patience, and a network of two hosts. That is two Linux network namespaces and one
// wire between them. The test binary is started in them as other programs, and what
// they send is captured.
//
// A network needs root, and the programs ip and tcpdump. Where these are missing the
// test is skipped, unless IMGSEND_MATRIX=required.
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

// Patience bounds everything that should happen at once.
const Patience = 30 * time.Second

// TestMain runs the tests, or the helper that this process was started as, and looks
// for goroutines that are left.
func TestMain(m *testing.M) {
	Main() // does not return in a helper process
	goleak.VerifyTestMain(m)
}

// Context returns a context that ends when the test has run out of patience.
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

// WaitFor polls until done, for what the other side does in its own time.
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
