package peer

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/transport"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/quic-go/quic-go"
)

// newQUIC returns the QUIC transport and what must be closed after it.
func newQUIC(key crypto.PrivKey, gater connmgr.ConnectionGater, limits network.ResourceManager) (transport.Transport, io.Closer, error) {
	// quic-go prints a warning where the system allows only small UDP buffers.
	const quiet = "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING"
	if _, set := os.LookupEnv(quiet); !set {
		os.Setenv(quiet, "true")
	}
	reset, token, err := quicKeys(key)
	if err != nil {
		return nil, nil, err
	}
	manager, err := quicreuse.NewConnManager(reset, token,
		// Count a connection before its handshake, not after.
		quicreuse.ConnContext(func(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
			addr, err := quicreuse.ToQuicMultiaddr(client.RemoteAddr, quic.Version1)
			if err != nil {
				return ctx, err
			}
			scope, err := limits.OpenConnection(network.DirInbound, false, addr)
			if err != nil {
				return ctx, err
			}
			context.AfterFunc(ctx, scope.Done)
			return network.WithConnManagementScope(ctx, scope), nil
		}),
		// Make every client prove its address: the round trip that this costs
		// is nothing to a transfer, and nobody is flooded through this host.
		quicreuse.VerifySourceAddress(func(net.Addr) bool { return true }),
		quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) {
			return nil, errors.New("routes are left to the kernel")
		}),
	)
	if err != nil {
		return nil, nil, err
	}
	t, err := libp2pquic.NewTransport(key, manager, nil, gater, limits)
	if err != nil {
		return nil, nil, errors.Join(err, manager.Close())
	}
	return t, manager, nil
}

// quicKeys derives, as libp2p does, the secrets that QUIC needs beside the
// key. They stay the same over restarts.
func quicKeys(key crypto.PrivKey) (reset quic.StatelessResetKey, token quic.TokenGeneratorKey, err error) {
	raw, err := key.Raw()
	if err != nil {
		return reset, token, err
	}
	r, err := hkdf.Key(sha256.New, raw, nil, "libp2p quic stateless reset key", len(reset))
	if err != nil {
		return reset, token, err
	}
	t, err := hkdf.Key(sha256.New, raw, nil, "libp2p quic token generator key", len(token))
	if err != nil {
		return reset, token, err
	}
	copy(reset[:], r)
	copy(token[:], t)
	return reset, token, nil
}
