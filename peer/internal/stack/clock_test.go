package stack

import (
	"crypto/rand"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/crypto"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

// TestClockSkew runs the handshake between a host with the current time and one whose clock
// shows the year 2000, where a synctest bubble starts. Each of them dials, and each clock
// checks the certificates.
func TestClockSkew(t *testing.T) {
	today := secured(t)
	var then *tlsTransport
	synctest.Test(t, func(t *testing.T) {
		then = secured(t)
		for _, pair := range [][2]*tlsTransport{{today, then}, {then, today}} {
			if err := shake(t, pair[0], pair[1], pair[1].self); err != nil {
				t.Errorf("in 2000: %v", err)
			}
		}
		// The clocks do differ: libp2p's own certificate of today is not valid yet.
		theirs, err := libp2ptls.New(libp2ptls.ID, privateKey(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := shake(t, then, theirs, ""); err != nil {
			t.Errorf("with a certificate of its own time: %v", err)
		}
	})
	theirs, err := libp2ptls.New(libp2ptls.ID, privateKey(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if err := shake(t, then, theirs, ""); err == nil {
			t.Error("the bubble's clock decides nothing, so this test shows nothing")
		}
	})
	for _, pair := range [][2]*tlsTransport{{today, then}, {then, today}} {
		if err := shake(t, pair[0], pair[1], pair[1].self); err != nil {
			t.Errorf("today: %v", err)
		}
	}
}

func privateKey(t *testing.T) crypto.PrivKey {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func secured(t *testing.T) *tlsTransport {
	t.Helper()
	s, err := newTLS(privateKey(t), yamux.ID)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shake runs the handshake of both sides and checks the ID that the dialer gets, unless want is
// empty.
func shake(t *testing.T, dialer, listener sec.SecureTransport, want lpeer.ID) error {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	accepted := make(chan error, 1)
	go func() {
		_, err := listener.SecureInbound(t.Context(), far, "")
		accepted <- err
	}()
	conn, err := dialer.SecureOutbound(t.Context(), near, want)
	if err == nil && want != "" && conn.RemotePeer() != want {
		t.Errorf("met %s, not %s", conn.RemotePeer(), want)
	}
	if err != nil {
		near.Close()
	}
	return errors.Join(err, <-accepted)
}
