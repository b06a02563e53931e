package peer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/peer"
)

const someID = "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV"

var goodTargets = []string{
	"/ip4/192.168.1.20/tcp/7420/p2p/" + someID,
	"/ip4/127.0.0.1/tcp/1/p2p/" + someID,
	"/ip6/::1/tcp/65535/p2p/" + someID,
	"/ip6/2001:db8::7/tcp/7420/p2p/" + someID,
	"/dns/buildbox.lan/tcp/7420/p2p/" + someID,
	"/dns4/buildbox/tcp/7420/p2p/" + someID,
	"/dns6/buildbox/tcp/7420/p2p/" + someID,
}

// badTargets maps an invalid target to the text that its error must contain.
var badTargets = map[string]string{
	"":                                "empty",
	someID:                            someID,
	"build box.local":                 "only a-z",
	"-x.local":                        "begins and ends",
	"a..b":                            "begins and ends",
	"10.0.0.300":                      "its last part is a number",
	"buildbox:http":                   "the port must be a number",
	":0":                              "port 0",
	"buildbox@":                       "IP address",
	"buildbox@a!b":                    "only a-z",
	"@10.0.0.1":                       "empty",
	"-x":                              "letter",
	"--to":                            "letter",
	"7420":                            "number",
	"0.0.0.0":                         "unspecified",
	"[::]:7420":                       "unspecified",
	"10.0.0.1:0":                      "port 0",
	"10.0.0.1:70000":                  "from 0 to 65535",
	"fe80::1":                         "link-local",
	"[fe80::1%lo]:7420":               "zone",
	"a@b@10.0.0.1":                    "IP address",
	"/p2p/" + someID:                  "/ip4",
	"/ip4/192.168.1.20/tcp/7420":      "/p2p/ID",
	"/ip4/192.168.1.20/p2p/" + someID: "port",
	"/ip4/192.168.1.20/tcp/7420/p2p/12D3KooWnonsense":                              "p2p",
	"/ip4/300.1.1.1/tcp/7420/p2p/" + someID:                                        "300.1.1.1",
	"/ip4/192.168.1.20/tcp/70000/p2p/" + someID:                                    "70000",
	"/ip4/192.168.1.20/tcp/0/p2p/" + someID:                                        "port 0",
	"/ip4/0.0.0.0/tcp/7420/p2p/" + someID:                                          "unspecified",
	"/ip6/::/tcp/7420/p2p/" + someID:                                               "unspecified",
	"/ip6/fe80::1/tcp/7420/p2p/" + someID:                                          "link-local",
	"/ip6zone/eth0/ip6/fe80::1/tcp/7420/p2p/" + someID:                             "/ip6",
	"/dns/exa mple.com/tcp/7420/p2p/" + someID:                                     "only a-z",
	"/dns4/example.com/tcp/0/p2p/" + someID:                                        "port 0",
	"/dnsaddr/example.com/p2p/" + someID:                                           "/dns",
	"/ip4/192.168.1.20/tcp/7420/ws/p2p/" + someID:                                  "/tcp/PORT",
	"/ip4/192.168.1.20/udp/7420/p2p/" + someID:                                     "only /tcp/PORT",
	"/ip4/192.168.1.20/udp/7420/quic-v1/p2p/" + someID:                             "only /tcp/PORT",
	"/ip4/192.168.1.20/tcp/7420/p2p/" + someID + "/p2p-circuit/p2p/" + someID:      "/tcp/PORT",
	"/ip4/192.168.1.20/tcp/7420/p2p/" + someID + "/tcp/1":                          "/p2p/ID",
	"/unix/tmp/socket/p2p/" + someID:                                               "/ip4",
	"/ip4/192.168.1.20/tcp/7420/p2p/" + someID + strings.Repeat("/tcp/7420", 1000): "longer",
}

func TestParseTarget(t *testing.T) {
	for _, text := range goodTargets {
		target, err := peer.ParseTarget(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if target.String() != text || target.ID.String() != someID {
			t.Errorf("%s became %s with ID %s", text, target, target.ID)
		}
	}
}

func TestParseTargetKinds(t *testing.T) {
	for text, want := range map[string]struct {
		kind       peer.TargetKind
		name, code string
		addr       string
		back       string
	}{
		"buildbox":                         {peer.TargetName, "buildbox", "", "", "buildbox"},
		"BuildBox@10.0.0.1":                {peer.TargetName, "buildbox", "", "/ip4/10.0.0.1/tcp/7420", "buildbox@10.0.0.1:7420"},
		"7-crystal-tulip":                  {peer.TargetCode, "", "7-crystal-tulip", "", "7-*-*"},
		"7 Crystal Tulip":                  {peer.TargetCode, "", "7-crystal-tulip", "", "7-*-*"},
		"7-cry-tul@[::1]:99":               {peer.TargetCode, "", "7-crystal-tulip", "/ip6/::1/tcp/99", "7-*-*@[::1]:99"},
		"192.168.1.20":                     {peer.TargetAddr, "", "", "/ip4/192.168.1.20/tcp/7420", "192.168.1.20:7420"},
		"192.168.1.20:99":                  {peer.TargetAddr, "", "", "/ip4/192.168.1.20/tcp/99", "192.168.1.20:99"},
		"2001:db8::7":                      {peer.TargetAddr, "", "", "/ip6/2001:db8::7/tcp/7420", "[2001:db8::7]:7420"},
		"[2001:db8::7]":                    {peer.TargetAddr, "", "", "/ip6/2001:db8::7/tcp/7420", "[2001:db8::7]:7420"},
		"[2001:db8::7]:99":                 {peer.TargetAddr, "", "", "/ip6/2001:db8::7/tcp/99", "[2001:db8::7]:99"},
		"buildbox@::ffff:10.0.0.1":         {peer.TargetName, "buildbox", "", "/ip4/10.0.0.1/tcp/7420", "buildbox@10.0.0.1:7420"},
		"/ip4/1.2.3.4/tcp/1/p2p/" + someID: {peer.TargetPeer, "", "", "/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/1/p2p/" + someID},
		"BuildBox.lan":                     {peer.TargetAddr, "", "", "/dns/buildbox.lan/tcp/7420", "buildbox.lan:7420"},
		"buildbox:99":                      {peer.TargetAddr, "", "", "/dns/buildbox/tcp/99", "buildbox:99"},
		"localhost":                        {peer.TargetAddr, "", "", "/dns/localhost/tcp/7420", "localhost:7420"},
		":7421":                            {peer.TargetAddr, "", "", "/dns/localhost/tcp/7421", "localhost:7421"},
		"buildbox@example.com":             {peer.TargetName, "buildbox", "", "/dns/example.com/tcp/7420", "buildbox@example.com:7420"},
		"7-cry-tul@buildbox":               {peer.TargetCode, "", "7-crystal-tulip", "/dns/buildbox/tcp/7420", "7-*-*@buildbox:7420"},
		"7-node.example.com":               {peer.TargetAddr, "", "", "/dns/7-node.example.com/tcp/7420", "7-node.example.com:7420"},
		"buildbox@:99":                     {peer.TargetName, "buildbox", "", "/dns/localhost/tcp/99", "buildbox@localhost:99"},
	} {
		got, err := peer.ParseTarget(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		addr := ""
		if got.Addr != nil {
			addr = got.Addr.String()
		}
		if got.Kind != want.kind || got.Name != want.name || got.Code.Reveal() != want.code || addr != want.addr || got.String() != want.back {
			t.Errorf("%s became %#v", text, got)
		}
	}
}

func TestParseTargetBad(t *testing.T) {
	for text, want := range badTargets {
		_, err := peer.ParseTarget(text)
		if !errors.Is(err, peer.ErrBadTarget) {
			t.Errorf("%q: error %v is not ErrBadTarget", text, err)
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), peer.TargetForm) {
			t.Errorf("%q: error %q lacks %q or the form", text, err, want)
		}
	}
}

func TestParseID(t *testing.T) {
	if id, err := peer.ParseID(someID); err != nil || id.String() != someID {
		t.Errorf("ParseID gave %s, %v", id, err)
	}
	for _, text := range []string{"", "buildbox", someID[:20], goodTargets[0]} {
		if id, err := peer.ParseID(text); err == nil {
			t.Errorf("%q was taken for the ID %s", text, id)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, text := range goodTargets {
		f.Add(text)
	}
	for text := range badTargets {
		f.Add(text)
	}
	for _, text := range []string{"buildbox", "buildbox.lan:1", ":1", "b@localhost", "b@10.0.0.1:1", "7-cry-tul@::1", "10.0.0.1", "[::1]:1"} {
		f.Add(text)
	}
	f.Add("/0\x1b") // the parser quotes unknown protocols
	f.Fuzz(func(t *testing.T, text string) {
		target, err := peer.ParseTarget(text)
		if err != nil {
			if !errors.Is(err, peer.ErrBadTarget) {
				t.Fatalf("error %v is not ErrBadTarget", err)
			}
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("error %q would upset a terminal", err)
			}
			return
		}
		back := target.String()
		if target.Kind == peer.TargetCode {
			back = strings.Replace(back, target.Code.String(), target.Code.Reveal(), 1)
		}
		again, err := peer.ParseTarget(back)
		if err != nil {
			t.Fatalf("%q became %q, which is refused: %v", text, target, err)
		}
		if again.String() != target.String() || again.ID != target.ID || again.Kind != target.Kind || again.Code != target.Code {
			t.Fatalf("%q became %q, which became %q", text, target, again)
		}
	})
}
