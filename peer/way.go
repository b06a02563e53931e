package peer

import (
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// The protocols that hosts speak. Whoever dials names one, which says what it has come
// for; a version follows where the name ends with a slash.
const (
	// ProtocolFamily starts the ID of every protocol to send images to a host.
	ProtocolFamily = "/imgsend/transfer/"
	// FetchFamily starts the ID of every protocol to fetch images from a host.
	FetchFamily = "/imgsend/fetch/"
)

// maxProtocolID bounds the protocol IDs that are answered, in bytes.
const maxProtocolID = 64

// A way is what peers come to a host for: to send images, or to fetch some. The
// other way round a host has nothing for them but the hint to use the other program.
type way struct {
	family string
	pair   protocol.ID
	// code is what a host for which this is the way closes connections with that have come
	// for the other one.
	code network.ConnErrorCode
	// hint tells a dialer who has come for the other way what there is here.
	hint string
	// may says what a dialer without the right may not do.
	may string
	// program is the one that waits.
	program string
}

// connNoRight closes a connection of a peer that is known and lacks the right.
const connNoRight network.ConnErrorCode = 0x696d6700

var (
	toSend = &way{ProtocolFamily, PairProtocol, 0x696d6701, "that host waits for images; send with imgsend --to",
		"send images there", "imgrecv"}
	toFetch = &way{FetchFamily, FetchPairProtocol, 0x696d6702, "that host offers images; fetch with imgrecv --from",
		"fetch images from there", "imgsend"}
)

// wayOf returns the way of a host that offers images, or of one that receives them.
func wayOf(offers bool) *way {
	if offers {
		return toFetch
	}
	return toSend
}

// wayTo returns the way that a protocol belongs to.
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

// isTransfer reports whether p is some version of this way's protocol, known or not,
// and fit to be shown: the other side chose its text.
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
