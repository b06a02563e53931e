package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
)

// nearbyTime is how long --peers listens for who is waiting on the local
// networks. An answer takes a fraction of it.
const nearbyTime = 1500 * time.Millisecond

// PeerEvent is one line of --peers --json.
type PeerEvent struct {
	Event  string     `json:"event"` // "peer"
	Name   string     `json:"name"`
	ID     string     `json:"id"`
	Saved  bool       `json:"saved"`
	Nearby bool       `json:"nearby"` // it is waiting now
	Seen   *time.Time `json:"seen,omitempty"`
	Addrs  []string   `json:"addrs"`
}

// OpenState returns the folder with this user's identity and the book of saved
// peers. done means that --peers or --forget was asked for, and is done.
func OpenState(ctx context.Context, v *Voice, list bool, forget string) (home string, book *peer.Book, done bool, err error) {
	if home, err = peer.Home(); err != nil {
		return "", nil, false, err
	}
	if book, err = openBook(v, home); err != nil {
		return "", nil, false, err
	}
	switch {
	case list:
		return home, book, true, listPeers(ctx, v, book)
	case forget != "":
		return home, book, true, forgetPeer(v, book, forget)
	}
	return home, book, false, nil
}

// openBook opens the peers file and says which of its lines are of no use.
func openBook(v *Voice, home string) (*peer.Book, error) {
	book := peer.OpenBook(home)
	damage, err := book.Damage()
	if err != nil {
		return nil, err
	}
	for _, d := range damage {
		v.Warn(WarnPeersFile, "%s", d)
	}
	return book, nil
}

// listPeers prints saved peers and those that wait nearby.
func listPeers(ctx context.Context, v *Voice, book *peer.Book) error {
	saved, err := book.List()
	if err != nil {
		return err
	}
	near, err := nearby(ctx, nearbyTime)
	if err != nil {
		v.Warn(WarnNoMulticast, "nobody nearby can be found: %v", err)
	}
	for _, p := range saved {
		e := PeerEvent{Event: "peer", Name: p.Name, ID: p.ID.String(), Saved: true, Addrs: []string{}}
		if !p.Seen.IsZero() {
			e.Seen = &p.Seen
		}
		for _, a := range p.Addrs {
			e.Addrs = append(e.Addrs, a.String())
		}
		if i := slices.IndexFunc(near, func(f lan.Found) bool { return f.ID == p.ID }); i >= 0 {
			e.Nearby = true
			e.Addrs = addrs(near[i])
			near = slices.Delete(near, i, i+1)
		}
		v.showPeer(e)
	}
	for _, f := range near {
		v.showPeer(PeerEvent{Event: "peer", Name: f.Name, ID: f.ID.String(), Nearby: true, Addrs: addrs(f)})
	}
	if len(saved) == 0 && len(near) == 0 {
		v.Sayf("no peer is saved, and none waits nearby; a code makes the first meeting")
	}
	return ctx.Err()
}

// nearby returns who waits on the local networks now, of those who answer in time.
func nearby(ctx context.Context, wait time.Duration) ([]lan.Found, error) {
	b, err := lan.Browse()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if len(b.Interfaces()) > 0 {
		<-ctx.Done()
	}
	return b.Found(), nil
}

func addrs(f lan.Found) []string {
	out := []string{}
	for _, a := range f.Addrs {
		out = append(out, a.String())
	}
	return out
}

func (v *Voice) showPeer(e PeerEvent) {
	v.Event(e)
	where := strings.Join(e.Addrs, " ")
	state := "never seen"
	switch {
	case e.Nearby && e.Saved:
		state = "waiting now"
	case e.Nearby:
		state = "waiting now, not saved"
	case e.Seen != nil:
		state = "seen " + e.Seen.Local().Format("2006-01-02 15:04")
	}
	v.Print("%s %s  %s  %s\n", e.Name, e.ID, state, where)
}

// forgetPeer removes a saved peer.
func forgetPeer(v *Voice, book *peer.Book, name string) error {
	found, err := book.Forget(name)
	if err != nil {
		return err
	}
	if !found {
		return &NotFoundError{Err: fmt.Errorf("no saved peer is called %s", name), Hint: v.Program + " --peers lists them"}
	}
	v.Sayf("%s is forgotten, and refused from now on", name)
	return nil
}

// ShortID is the end of a peer's ID, for a line that has to fit a terminal: IDs begin
// alike. --peers lists them whole.
func ShortID(id peer.ID) string {
	s := id.String()
	return "..." + s[max(0, len(s)-8):]
}

// SayMet says who was met by a code and under what name it is saved.
func SayMet(v *Voice, p peer.Paired, name string) {
	if name == p.Name {
		v.Sayf("met %s (peer %s); from now on --to %s is enough", name, ShortID(p.ID), name)
		return
	}
	v.Sayf("met %s (peer %s), saved as %s: another peer has that name already", p.Name, ShortID(p.ID), name)
}

// A NotFoundError says that a peer cannot be found.
type NotFoundError struct {
	Err  error
	Hint string
}

func (e *NotFoundError) Error() string { return e.Err.Error() }
func (e *NotFoundError) Unwrap() error { return e.Err }
