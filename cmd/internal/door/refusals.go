package door

import (
	"fmt"
	"sync"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// refusalEvery is the least time between two warnings about refused hosts. Any host that
// reaches the port can cause any number of refusals.
const refusalEvery = 10 * time.Second

// refusals warns about hosts that were refused before they made an offer.
type refusals struct {
	d *Door

	mu   sync.Mutex
	last time.Time
	more int // refusals since the last warning
}

// note warns about one refused host, or only counts it if the last warning was less than
// refusalEvery ago.
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
	name, why := id.String(), "it is not saved here; --allow with its ID lets it in, or --code for a first meeting"
	if p, ok, err := r.d.Book.ByID(id); err == nil && ok {
		name = p.Name
		why = fmt.Sprintf("it is saved here without the right to %s; %s --grant %s gives that", r.d.Way.Does, r.d.Way.Program, p.Name)
	}
	r.d.Voice.Warn(cli.WarnRefused, "refused peer %s from %s%s: %s", name, peer.Target{Kind: peer.TargetAddr, Addr: from}, others, why)
}
