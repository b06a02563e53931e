package peer

import (
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Prefixes of the protocol IDs. The dialer names a protocol, which says in which direction
// images are sent. A version follows the prefix.
const (
	// ProtocolFamily is the prefix of the protocol IDs for sending images to a host.
	ProtocolFamily = "/imgsend/transfer/"
	// FetchFamily is the prefix of the protocol IDs for fetching images from a host.
	FetchFamily = "/imgsend/fetch/"
)

// maxProtocolID is the greatest length of a protocol ID that is accepted, in bytes.
const maxProtocolID = 64

// A way is the direction for which peers connect to a host: to send images to it or to fetch
// images from it. A host serves one way. It tells peers that connect for the other one which
// program to use.
type way struct {
	family string
	pair   protocol.ID
	// code is the error code with which a host of this way closes connections of peers that
	// connect for the other way.
	code network.ConnErrorCode
	// hint tells a dialer that chose the other way which program to use.
	hint string
	// may is what a dialer without the right may not do, for errors.
	may string
	// program is the program that listens.
	program string
}

// connNoRight is the error code that closes the connection of a known peer that lacks the
// right.
const connNoRight network.ConnErrorCode = 0x696d6700

var (
	toSend = &way{family: ProtocolFamily, pair: PairProtocol, code: 0x696d6701, program: "imgrecv",
		hint: "that host waits for images; send with imgsend --to", may: "send images there"}
	toFetch = &way{family: FetchFamily, pair: FetchPairProtocol, code: 0x696d6702, program: "imgsend",
		hint: "that host offers images; fetch with imgrecv --from", may: "fetch images from there"}
)

// wayOf returns toFetch for a host that offers images, and toSend for one that receives them.
func wayOf(offers bool) *way {
	if offers {
		return toFetch
	}
	return toSend
}

// wayTo returns the way of a protocol. It returns toSend for unknown protocols.
func wayTo(p protocol.ID) *way {
	if toFetch.has(p) {
		return toFetch
	}
	return toSend
}

// other returns the other way.
func (w *way) other() *way {
	if w == toSend {
		return toFetch
	}
	return toSend
}

// has reports whether a protocol belongs to this way.
func (w *way) has(p protocol.ID) bool { return p == w.pair || w.isTransfer(p) }

// isTransfer reports whether p is any version, known or not, of this way's transfer protocol.
// The other side chose p, so isTransfer checks that it is short and safe to print.
func (w *way) isTransfer(p protocol.ID) bool {
	version, ok := strings.CutPrefix(string(p), w.family)
	if !ok || version == "" || len(p) > maxProtocolID {
		return false
	}
	for _, r := range version {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '.' && r != '-' {
			return false
		}
	}
	return true
}
