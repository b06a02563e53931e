package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// nearbyTime is how long --peers listens for who is waiting on the local
// networks. An answer takes a fraction of it.
const nearbyTime = 1500 * time.Millisecond

// PeerEvent is one line of --peers --json.
type PeerEvent struct {
	Event  string     `json:"event"` // "peer"
	Name   string     `json:"name"`
	ID     string     `json:"id"`
	Self   bool       `json:"self"` // this host, as this user; the first one
	Saved  bool       `json:"saved"`
	Nearby bool       `json:"nearby"` // it is waiting now
	Offers bool       `json:"offers"` // it is, and images can be fetched there, not sent
	May    []string   `json:"may"`    // what it may do at this host: "send", "fetch"
	Seen   *time.Time `json:"seen,omitempty"`
	Addrs  []string   `json:"addrs"`
}

// PeerActions are the flags that do something with saved peers, and nothing else.
type PeerActions struct {
	list                  bool
	forget, grant, revoke string
	right                 peer.Rights
}

// Define adds the flags to a group. right is the one that --grant gives, which does says in
// words.
func (a *PeerActions) Define(g *Group, right peer.Rights, does string) {
	a.right = right
	g.BoolVar(&a.list, "peers", false, "list this host, saved peers and those that wait nearby")
	g.StringVar(&a.grant, "grant", "", "from now on the saved peer `NAME` may "+does)
	g.StringVar(&a.revoke, "revoke", "", "from now on the saved peer `NAME` may not "+does)
	g.StringVar(&a.forget, "forget", "", "forget the saved peer `NAME`")
}

// OpenState returns the folder with this user's identity and the book of saved
// peers. me is what this host calls itself. done means that an action was asked for, and
// is done.
func OpenState(ctx context.Context, v *Voice, me string, a PeerActions) (home string, book *peer.Book, done bool, err error) {
	if home, err = peer.Home(); err != nil {
		return "", nil, false, err
	}
	if book, err = openBook(v, home); err != nil {
		return "", nil, false, err
	}
	switch {
	case a.list:
		return home, book, true, listPeers(ctx, v, home, book, me)
	case a.forget != "":
		return home, book, true, forgetPeer(v, book, a.forget)
	case a.grant != "":
		found, err := book.Grant(a.grant, a.right)
		return home, book, true, changed(v, a.grant, found, err, fmt.Sprintf("may %s now", a.right))
	case a.revoke != "":
		found, err := book.Revoke(a.revoke, a.right)
		return home, book, true, changed(v, a.revoke, found, err, fmt.Sprintf("may not %s from now on", a.right))
	}
	return home, book, false, nil
}

// openBook opens the peers file and warns of lines that cannot be used.
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

// listPeers prints this host, the saved peers, and those that wait nearby.
func listPeers(ctx context.Context, v *Voice, home string, book *peer.Book, me string) error {
	key, err := peer.LoadIdentity(home)
	if err != nil {
		return err
	}
	self, err := lpeer.IDFromPrivateKey(key)
	if err != nil {
		return err
	}
	saved, err := book.List()
	if err != nil {
		return err
	}
	near, err := nearby(ctx, nearbyTime)
	if err != nil {
		v.Warn(WarnNoMulticast, "nobody nearby can be found: %v", err)
	}
	list := peerList(self, me, saved, near)
	for _, e := range list {
		v.Event(e)
	}
	v.Print("%s", peerTable(list))
	if len(list) == 1 {
		v.Sayf("no peer is saved, and none waits nearby; a code makes the first meeting")
	}
	return ctx.Err()
}

// peerList returns this host, which comes first, the saved peers and those that wait, each
// ID once.
func peerList(self peer.ID, me string, saved []peer.Peer, near []lan.Found) []PeerEvent {
	list := []PeerEvent{{Event: "peer", Name: me, ID: self.String(), Self: true, May: []string{}, Addrs: []string{}}}
	find := func(id peer.ID, name string) *PeerEvent {
		at := slices.IndexFunc(list, func(e PeerEvent) bool { return e.ID == id.String() })
		if at < 0 {
			at = len(list)
			list = append(list, PeerEvent{Event: "peer", Name: name, ID: id.String(), May: []string{}, Addrs: []string{}})
		}
		return &list[at]
	}
	for _, p := range saved {
		e := find(p.ID, p.Name)
		e.Saved, e.May = true, append(e.May, p.Rights.Words()...)
		if !p.Seen.IsZero() {
			e.Seen = &p.Seen
		}
		e.Addrs = addAddrs(e.Addrs, p.Addrs)
	}
	for _, f := range near {
		e := find(f.ID, f.Name)
		if !e.Nearby { // where it waits now counts, and not where it was
			e.Nearby, e.Offers, e.Addrs = true, f.Offers, []string{}
		}
		e.Addrs = addAddrs(e.Addrs, f.Addrs)
	}
	return list
}

// addAddrs adds the addresses that are not in a list.
func addAddrs(list []string, addrs []ma.Multiaddr) []string {
	for _, a := range addrs {
		if s := a.String(); !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// peerTable writes a list for people: this host with all of its ID, which others give to
// --allow, and the peers with what --to takes, and the end of their IDs.
func peerTable(list []PeerEvent) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, e := range list {
		if i == 1 {
			fmt.Fprintf(w, "\nNAME\tSTATE\tMAY HERE\tADDRESS\tID\n")
		}
		if e.Self {
			fmt.Fprintf(&b, "this host: %s %s\n", e.Name, e.ID)
			if e.Nearby {
				fmt.Fprintf(&b, "%s at %s\n", e.state(), place(e.Addrs))
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t...%s\n", e.Name, e.state(), e.may(), place(e.Addrs), e.ID[len(e.ID)-shownID:])
	}
	_ = w.Flush() // into memory
	return b.String()
}

// shownID is how many letters of a peer ID a table shows: they are its end, as all begin
// alike.
const shownID = 6

// state says what is known of where a peer is.
func (e *PeerEvent) state() string {
	switch {
	case e.Nearby && e.Offers:
		return "offers images"
	case e.Nearby:
		return "waiting now"
	case e.Seen != nil:
		return "seen " + e.Seen.Local().Format(time.DateOnly)
	}
	return "never seen"
}

// may says what a peer may do at this host.
func (e *PeerEvent) may() string {
	switch {
	case !e.Saved:
		return "not saved"
	case len(e.May) == 0:
		return "-"
	}
	return strings.Join(e.May, ",")
}

// place writes the first of some addresses in the short form that --to takes, and says how
// many more there are.
func place(addrs []string) string {
	if len(addrs) == 0 {
		return "-"
	}
	text := addrs[0]
	if a, err := ma.NewMultiaddr(text); err == nil {
		if _, host, err := manet.DialArgs(withoutID(a)); err == nil {
			text = host
		}
	}
	if more := len(addrs) - 1; more > 0 {
		text += fmt.Sprintf(" +%d", more)
	}
	return text
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

func withoutID(a ma.Multiaddr) ma.Multiaddr {
	if addr, last := ma.SplitLast(a); last != nil && last.Protocol().Code == ma.P_P2P {
		return addr
	}
	return a
}

// forgetPeer removes a saved peer.
func forgetPeer(v *Voice, book *peer.Book, name string) error {
	found, err := book.Forget(name)
	return changed(v, name, found, err, "is forgotten, and refused from now on")
}

// changed says how a saved peer was changed, or why not.
func changed(v *Voice, name string, found bool, err error, how string) error {
	if err != nil {
		return err
	}
	if !found {
		return &NotFoundError{Err: fmt.Errorf("no saved peer is called %s", name), Hint: v.Program + " --peers lists them"}
	}
	v.Sayf("%s %s", name, how)
	return nil
}

// ShortID is the end of a peer's ID, for a line that has to fit a terminal: IDs begin
// alike. --peers lists them whole.
func ShortID(id peer.ID) string {
	s := id.String()
	return "..." + s[max(0, len(s)-8):]
}

// SayMet says who was met by a code, under what name it is saved, and what that is good
// for from now on.
func SayMet(v *Voice, p peer.Paired, name, now string) {
	if name == p.Name {
		v.Sayf("met %s (peer %s); from now on %s", name, ShortID(p.ID), now)
		return
	}
	v.Sayf("met %s (peer %s); it is saved here as %s: from now on %s", p.Name, ShortID(p.ID), name, now)
}

// A NotFoundError says that a peer cannot be found.
type NotFoundError struct {
	Err  error
	Hint string
}

func (e *NotFoundError) Error() string { return e.Err.Error() }
func (e *NotFoundError) Unwrap() error { return e.Err }
