package reach

import (
	"net"

	"github.com/imgsend/imgsend/peer"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// self returns the identity of this program. An imgrecv of the same user on the same host
// has the same one; it is dialed with a key of no meaning, as by a stranger.
func (r *Reacher) self() peer.ID {
	id, _ := lpeer.IDFromPrivateKey(r.Key) // fails for no Ed25519 key
	return id
}

// isHere reports whether an address is one of this host. Nobody else can answer there,
// whatever is announced.
func isHere(a ma.Multiaddr) bool {
	ip, err := manet.ToIP(a)
	if err != nil {
		return false
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, o := range own {
		if n, ok := o.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return ip.IsLoopback()
}
