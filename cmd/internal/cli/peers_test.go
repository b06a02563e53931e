package cli

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/lan"
	"github.com/libp2p/go-libp2p/core/crypto"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

func newID(t *testing.T) peer.ID {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := lpeer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// This host comes first, each ID once, and where a peer waits now in place of where it was.
func TestPeerList(t *testing.T) {
	self, saved, away, stranger := newID(t), newID(t), newID(t), newID(t)
	addrs := func(texts ...string) (out []ma.Multiaddr) {
		for _, s := range texts {
			out = append(out, ma.StringCast(s))
		}
		return out
	}
	seen := time.Date(2026, 1, 2, 15, 4, 0, 0, time.Local)
	list := peerList(self, "laptop",
		[]peer.Peer{{Name: "buildbox", ID: saved, Rights: peer.MaySend | peer.MayFetch, Seen: seen, Addrs: addrs("/ip4/10.0.0.1/tcp/1")},
			{Name: "far-away-box", ID: away, Seen: seen, Addrs: addrs("/ip6/fd00::1/tcp/7420", "/ip4/10.0.0.2/tcp/1")}},
		[]lan.Found{
			{ID: saved, Name: "anything", Addrs: addrs("/ip4/192.168.100.200/tcp/17420/p2p/" + saved.String())},
			{ID: saved, Name: "buildbox", Addrs: addrs("/ip4/192.168.100.200/tcp/17420/p2p/"+saved.String(), "/ip4/172.16.0.9/tcp/17420/p2p/"+saved.String())},
			{ID: self, Name: "laptop", Addrs: addrs("/ip4/192.168.1.2/tcp/7420/p2p/" + self.String())},
			{ID: stranger, Name: "stranger", Offers: true, Addrs: addrs("/ip4/192.168.1.3/tcp/7420/p2p/" + stranger.String())},
			{ID: stranger, Name: "strange", Addrs: addrs("/ip4/192.168.1.3/tcp/7420/p2p/" + stranger.String())},
		})
	end := func(id peer.ID) string { s := id.String(); return "..." + s[len(s)-6:] }
	want := strings.Join([]string{
		"this host: laptop " + self.String(),
		"waiting now at 192.168.1.2:7420",
		"",
		"NAME          STATE            MAY HERE    ADDRESS                   ID",
		"buildbox      waiting now      send,fetch  192.168.100.200:17420 +1  " + end(saved),
		"far-away-box  seen 2026-01-02  -           [fd00::1]:7420 +1         " + end(away),
		"stranger      offers images    not saved   192.168.1.3:7420          " + end(stranger),
		"",
	}, "\n")
	got := peerTable(list)
	if got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
	for line := range strings.Lines(got) {
		if len(line) > 80 {
			t.Errorf("wider than 80 columns: %s", line)
		}
	}
	if !list[0].Self || slices.ContainsFunc(list[1:], func(e PeerEvent) bool { return e.Self }) {
		t.Errorf("who is this host? %+v", list)
	}
	if alone := peerTable(list[:1]); strings.Contains(alone, "NAME") {
		t.Errorf("a header without a table:\n%s", alone)
	}
}
