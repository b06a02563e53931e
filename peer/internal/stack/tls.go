package stack

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

// tlsTransport is libp2p's TLS (libp2p specification, "TLS Handshake"), with libp2p's
// certificates and checks, except for the validity period of certificates. libp2p's
// certificates are valid from one hour before they are made, so hosts whose clocks differ by
// more could not connect. A host is identified by a signature of its key, which has no time, so
// certificates always are valid here. Each Node makes a new one.
type tlsTransport struct {
	self     lpeer.ID
	identity *libp2ptls.Identity
	muxer    protocol.ID // offered in the handshake
}

var _ sec.SecureTransport = (*tlsTransport)(nil)

func newTLS(key crypto.PrivKey, muxer protocol.ID) (*tlsTransport, error) {
	self, err := lpeer.IDFromPrivateKey(key)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	identity, err := libp2ptls.NewIdentity(key, libp2ptls.WithCertTemplate(&x509.Certificate{
		SerialNumber: serial,
		NotBefore:    time.Unix(0, 0), // the time of a host without a clock battery
		// "No well-defined expiration date": RFC 5280, section 4.1.2.5.
		NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		// RFC 5280 requires an issuer.
		Subject: pkix.Name{SerialNumber: serial.String()},
	}))
	if err != nil {
		return nil, err
	}
	return &tlsTransport{self: self, identity: identity, muxer: muxer}, nil
}

// ID returns the protocol ID of the security protocol.
func (t *tlsTransport) ID() protocol.ID { return libp2ptls.ID }

// SecureInbound runs the handshake as the listener. p is the expected peer, or empty for any.
func (t *tlsTransport) SecureInbound(ctx context.Context, insecure net.Conn, p lpeer.ID) (sec.SecureConn, error) {
	return t.secure(ctx, insecure, p, tls.Server)
}

// SecureOutbound runs the handshake as the dialer. p is the expected peer.
func (t *tlsTransport) SecureOutbound(ctx context.Context, insecure net.Conn, p lpeer.ID) (sec.SecureConn, error) {
	return t.secure(ctx, insecure, p, tls.Client)
}

// secure runs the handshake. It closes insecure if the handshake fails.
func (t *tlsTransport) secure(ctx context.Context, insecure net.Conn, p lpeer.ID, side func(net.Conn, *tls.Config) *tls.Conn) (_ sec.SecureConn, err error) {
	defer func() {
		if err != nil {
			_ = insecure.Close()
		}
	}()
	config, keys := t.identity.ConfigForPeer(p)
	config.NextProtos = append([]string{string(t.muxer)}, config.NextProtos...)
	conn := side(insecure, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	var key crypto.PubKey
	select {
	case key = <-keys:
	default: // cannot happen: a successful handshake has verified a certificate
	}
	if key == nil {
		return nil, errors.New("stack: internal error: no key after the handshake")
	}
	remote, err := lpeer.IDFromPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("the other side's key: %w", err)
	}
	state := network.ConnectionState{}
	if conn.ConnectionState().NegotiatedProtocol == string(t.muxer) {
		state = network.ConnectionState{StreamMultiplexer: t.muxer, UsedEarlyMuxerNegotiation: true}
	}
	return &tlsConn{Conn: conn, self: t.self, remote: remote, key: key, state: state}, nil
}

// tlsConn is a connection whose two sides have proven their keys.
type tlsConn struct {
	*tls.Conn
	self, remote lpeer.ID
	key          crypto.PubKey
	state        network.ConnectionState
}

func (c *tlsConn) LocalPeer() lpeer.ID                { return c.self }
func (c *tlsConn) RemotePeer() lpeer.ID               { return c.remote }
func (c *tlsConn) RemotePublicKey() crypto.PubKey     { return c.key }
func (c *tlsConn) ConnState() network.ConnectionState { return c.state }
