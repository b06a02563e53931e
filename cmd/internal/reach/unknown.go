package reach

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/imgsend/imgsend/cmd/internal/cli"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
)

// nearbyTime is how long to listen for the announcement of a host that is not saved.
const nearbyTime = time.Second

// unknown returns the error for a name that no saved peer has. waits says that a host on the
// local network announces that name.
func (r *Reacher) unknown(name string, waits bool) error {
	saved, err := r.Book.List()
	if err != nil {
		return err
	}
	names := make([]string, len(saved))
	for i, p := range saved {
		names[i] = p.Name
	}
	missing := &cli.NotFoundError{Err: fmt.Errorf("no saved peer is called %s", name)}
	near := store.Nearest(name, names)
	switch {
	case waits:
		missing.Hint = fmt.Sprintf("a host that calls itself %s is waiting on the local network: meet it by the code that is shown there (%s)", name, r.Way.Code)
	case len(near) > 0:
		missing.Hint = fmt.Sprintf("did you mean %s?", strings.Join(near, " or "))
	default:
		missing.Hint = fmt.Sprintf("%s --peers lists them; a new host is met by the code that %s shows there; the host of that name is %s %s:%d",
			r.Voice.Program, r.Way.Waiting, r.Way.Flag, name, peer.DefaultPort)
	}
	return missing
}

// nearby searches the local network for a host that announces that name. It returns false if
// none is heard within nearbyTime.
func (w Way) nearby(ctx context.Context, name string) (lan.Found, bool) {
	b, err := lan.Browse()
	if err != nil {
		return lan.Found{}, false
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(ctx, nearbyTime)
	defer cancel()
	for f := range b.Find(ctx, func(f lan.Found) bool { return f.Name == name && f.Offers == w.Offers }) {
		return f, true
	}
	return lan.Found{}, false
}
