package door

import (
	"fmt"
	"sync"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// refusalEvery is how often refused hosts are told of: whoever reaches the port can be
// refused as often as it likes.
const refusalEvery = 10 * time.Second

// refusals tells of hosts that were turned away before they could offer anything.
type refusals struct {
	v *cli.Voice

	mu   sync.Mutex
	last time.Time
	more int // that were not told of since
}

// note tells of one, or counts it.
func (r *refusals) note(id peer.ID, from ma.Multiaddr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.last.IsZero() && now.Sub(r.last) < refusalEvery {
		r.more++
		return
	}
	others := ""
	if r.more > 0 {
		others = fmt.Sprintf(", and %s before it", cli.Count(r.more, "other"))
	}
	r.last, r.more = now, 0
	r.v.Warn(cli.WarnRefused, "refused peer %s from %s%s: it is not saved here; --allow with its ID lets it in, or --code for a first meeting",
		id, peer.Target{Kind: peer.TargetAddr, Addr: from}, others)
}
