package reach

import (
	"net"

	"github.com/imgsend/imgsend/peer"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// self returns the ID of this program. All programs of one user on one host have the same ID;
// [peer.Dial] uses a temporary key to connect to it.
func (r *Reacher) self() peer.ID {
	id, _ := lpeer.IDFromPrivateKey(r.Key) // cannot fail for an Ed25519 key
	return id
}

// isHere reports whether the IP address of a belongs to this host. No other host can answer at
// such an address, whatever it announces.
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
