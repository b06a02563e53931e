package lan_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer/internal/peertest"
	"github.com/imgsend/imgsend/peer/lan"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/net/dns/dnsmessage"
)

func testRecord(t testing.TB, addrs ...string) lan.Record {
	t.Helper()
	r := lan.Record{Label: "0123456789abcdef", ID: peertest.ID(t, peertest.NewKey(t)), Name: "buildbox", Nameplate: "7", TTL: lan.RecordTTL}
	for _, addr := range addrs {
		r.Addrs = append(r.Addrs, ma.StringCast(addr))
	}
	return r
}

func pack(t testing.TB, r lan.Record) []byte {
	t.Helper()
	data, err := r.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAnnounceRecordRoundTrip(t *testing.T) {
	long := testRecord(t)
	long.Offers = true
	long.Name = strings.Repeat("n", lan.MaxName)
	long.Nameplate = strings.Repeat("9", lan.MaxNameplate)
	for i := range lan.MaxAddrs {
		long.Addrs = append(long.Addrs, ma.StringCast(fmt.Sprintf("/ip6/fd00:1111:2222:3333:4444:5555:6666:777%d/tcp/65535", i)))
	}
	none := testRecord(t, "/ip4/10.73.0.1/tcp/7420")
	none.Nameplate = ""
	offers := testRecord(t, "/ip4/10.73.0.1/tcp/7420")
	offers.Offers = true
	bye := testRecord(t, "/ip4/10.73.0.1/tcp/7420")
	bye.TTL = 0
	for name, want := range map[string]lan.Record{
		"both families": testRecord(t, "/ip4/10.73.0.1/tcp/7420", "/ip6/fd73::1/tcp/7420"),
		"the longest":   long,
		"no code":       none,
		"offers":        offers,
		"goodbye":       bye,
	} {
		data := pack(t, want)
		if len(data) > 1400 {
			t.Errorf("%s: %d bytes do not fit into one packet everywhere", name, len(data))
		}
		got := lan.ParseRecords(data)
		if len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// An invalid field makes a record invalid. An invalid address is left out.
func TestBrowseRefusesHostileRecords(t *testing.T) {
	good := testRecord(t, "/ip4/10.73.0.1/tcp/7420").TXT()
	with := func(key, value string) []string {
		out := slices.Clone(good)
		for i, text := range out {
			if strings.HasPrefix(text, key+"=") {
				out[i] = key + "=" + value
			}
		}
		return out
	}
	for name, texts := range map[string][]string{
		"nothing":             nil,
		"another version":     with("txtvers", "2"),
		"no ID":               with("id", ""),
		"no peer's ID":        with("id", "12D3KooW"),
		"an ID without a key": with("id", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"),
		"an ID as a CID":      with("id", "bafzaajaiaejcbpltaqrcqnyz3aabgi5wibyg3p7mb4hyaysjbzpzr6u5oqv2qpo5"),
		"no name":             with("name", ""),
		"a long name":         with("name", strings.Repeat("n", lan.MaxName+1)),
		"a terminal command":  with("name", "a\x1b[2Jb"),
		"two lines":           with("name", "a\nb"),
		"text direction":      with("name", "a\u202eb"),
		"a zero-width space":  with("name", "a\u200bb"),
		"not UTF-8":           with("name", "a\xffb"),
		"spaces around":       with("name", " a"),
		"words of a code":     with("code", "7-crossbow-tulip"),
		"a long number":       with("code", strings.Repeat("7", lan.MaxNameplate+1)),
		"another role":        append(slices.Clone(good), "role=mirror"),
		"a role in capitals":  append(slices.Clone(good), "role=OFFERS"),
		"no address":          with("addr0", ""),
		"too many strings":    append(slices.Clone(good), make([]string, 64)...),
	} {
		data, err := lan.PackTXT("label", 120, texts...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := lan.ParseRecords(data); len(got) != 0 {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
	for _, addr := range []string{
		"/dns4/example.org/tcp/7420", "/dnsaddr/example.org", "/ip4/10.73.0.1/tcp/0", "/ip4/0.0.0.0/tcp/1", "/ip4/127.0.0.1/tcp/1",
		"/ip4/224.0.0.251/tcp/1", "/ip4/255.255.255.255/tcp/1", "/ip6/fe80::1/tcp/1", "/ip6/::1/tcp/1", "/ip6/::ffff:10.73.0.1/tcp/1",
		"/ip6zone/eth0/ip6/fe80::1/tcp/1", "/ip4/10.73.0.1/udp/53", "/ip4/10.73.0.1/tcp/80/ws", "/unix/etc/passwd", "10.73.0.1:1",
		"/ip4/10.73.0.1/tcp/1/p2p/12D3KooWCbPK8wkKLVd8MXPN8AXNMRmQ8MvXNE1YwT4xFDg3KSDx/p2p-circuit", "/ip4/10.73.0.1/tcp/1" + strings.Repeat("0", 100),
	} {
		data, err := lan.PackTXT("label", 120, append(with("addr0", addr), "addr1=/ip4/10.73.0.9/tcp/7")...)
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		got := lan.ParseRecords(data)
		if len(got) != 1 || len(got[0].Addrs) != 1 || got[0].Addrs[0].String() != "/ip4/10.73.0.9/tcp/7" {
			t.Errorf("%s: got %+v, want the other address alone", addr, got)
		}
	}
}

func TestBrowseBoundsOnePacket(t *testing.T) {
	var m dnsmessage.Message
	m.Response = true
	for i := range 1000 {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(fmt.Sprintf("l%d.%s", i, lan.Service)), Class: dnsmessage.ClassINET, TTL: 9},
			Body:   &dnsmessage.TXTResource{TXT: testRecord(t, "/ip4/10.73.0.1/tcp/7420").TXT()},
		})
	}
	data, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if got := len(lan.ParseRecords(data)); got != lan.MaxRecords {
		t.Errorf("%d records of one packet were read, want %d", got, lan.MaxRecords)
	}
}

func TestBrowseBoundsWhatIsRemembered(t *testing.T) {
	now := time.Now()
	seen := lan.NewSeen()
	from := netip.MustParseAddr("10.73.0.66")
	r := testRecord(t, "/ip4/10.73.0.66/tcp/7420")
	for i := range 1000 {
		r.Label = fmt.Sprint("l", i)
		seen.Add(r, netip.AddrFrom4([4]byte{10, 73, 2, byte(i)}), now)
	}
	if got := len(seen.Found()); got != lan.MaxSeenID {
		t.Errorf("%d announcements of one key are remembered, want %d", got, lan.MaxSeenID)
	}
	seen = lan.NewSeen()
	for i := range 100 {
		r.Label, r.ID = fmt.Sprint("l", i), peertest.ID(t, peertest.NewKey(t))
		seen.Add(r, from, now)
	}
	if got := len(seen.Found()); got != lan.MaxSeenSource {
		t.Errorf("%d announcements of one host are remembered, want %d", got, lan.MaxSeenSource)
	}
	other := testRecord(t, "/ip4/10.73.0.1/tcp/7420")
	if !seen.Add(other, netip.MustParseAddr("10.73.0.1"), now) {
		t.Error("one host crowds another out")
	}
	for i := range 1000 {
		r.Label, r.ID = fmt.Sprint("m", i), peertest.ID(t, peertest.NewKey(t))
		seen.Add(r, netip.AddrFrom4([4]byte{10, 73, 1, byte(i / 4)}), now)
	}
	if got := len(seen.Found()); got != lan.MaxSeen {
		t.Errorf("%d announcements are remembered, want %d", got, lan.MaxSeen)
	}
	if !seen.Expire(now.Add(lan.RecordTTL+1)) || len(seen.Found()) != 0 {
		t.Error("announcements do not expire")
	}
}

func TestBrowseKeepsToAddressesOnTheLink(t *testing.T) {
	r := testRecord(t, "/ip6/fd73::1/tcp/7420", "/ip6/2001:db8::1/tcp/7420", "/ip4/8.8.8.8/tcp/53", "/ip4/172.17.0.1/tcp/7420",
		"/ip4/192.168.1.1/tcp/80", "/ip4/10.73.0.1/tcp/7420")
	from := netip.MustParseAddr("10.73.0.1")
	seen := lan.NewSeen()
	if !seen.Add(r, from, time.Now()) {
		t.Fatal("not taken in")
	}
	if seen.Add(r, from, time.Now()) {
		t.Error("the same again is news")
	}
	want := fmt.Sprintf("[/ip4/10.73.0.1/tcp/7420/p2p/%s /ip6/fd73::1/tcp/7420/p2p/%[1]s]", r.ID)
	if got := fmt.Sprint(seen.Found()[0].Addrs); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	thief := testRecord(t, "/ip4/10.73.0.3/tcp/7420") // with the same label
	seen.Add(thief, from, time.Now())
	if got := len(seen.Found()); got != 2 {
		t.Errorf("%d hosts are known, want 2: a label does not make it the same", got)
	}
	if !slices.ContainsFunc(seen.Found(), lan.ByID(r.ID, false)) || slices.ContainsFunc(seen.Found(), lan.ByNameplate("", false)) ||
		!slices.ContainsFunc(seen.Found(), lan.ByNameplate("7", false)) {
		t.Error("the matches are wrong")
	}
	r.TTL = 0
	if !seen.Add(r, from, time.Now()) || slices.ContainsFunc(seen.Found(), lan.ByID(r.ID, false)) {
		t.Error("a goodbye does not end it")
	}
}

// TestBrowseTellsRolesApart announces two programs of one host with codes of the same number: a
// search for one of them does not find the other.
func TestBrowseTellsRolesApart(t *testing.T) {
	from := netip.MustParseAddr("10.73.0.1")
	receives := testRecord(t, "/ip4/10.73.0.1/tcp/7420")
	offers := receives
	offers.Label, offers.Offers, offers.Addrs = "fedcba9876543210", true, []ma.Multiaddr{ma.StringCast("/ip4/10.73.0.1/tcp/7421")}
	seen := lan.NewSeen()
	seen.Add(receives, from, time.Now())
	seen.Add(offers, from, time.Now())
	for _, want := range []lan.Record{receives, offers} {
		for what, match := range map[string]func(lan.Found) bool{"ID": lan.ByID(want.ID, want.Offers), "code": lan.ByNameplate("7", want.Offers)} {
			var got []lan.Found
			for _, f := range seen.Found() {
				if match(f) {
					got = append(got, f)
				}
			}
			if len(got) != 1 || got[0].Offers != want.Offers || !strings.HasPrefix(got[0].Addrs[0].String(), want.Addrs[0].String()) {
				t.Errorf("by %s, offering %v: found %+v", what, want.Offers, got)
			}
		}
	}
	// A change of the direction is reported.
	offers.Offers = false
	if !seen.Add(offers, from, time.Now()) || slices.ContainsFunc(seen.Found(), func(f lan.Found) bool { return f.Offers }) {
		t.Error("another role is no news")
	}
}

// Messages of different address families may arrive out of order.
func TestBrowseIgnoresWhatIsOvertaken(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.73.0.1"), netip.MustParseAddr("fe80::1")
	old := testRecord(t, "/ip4/10.73.0.1/tcp/7420")
	fresh := old
	fresh.Nameplate = "8"
	seen := lan.NewSeen()
	for i, step := range []struct {
		record lan.Record
		from   netip.Addr
		news   bool
	}{{old, v4, true}, {old, v6, false}, {fresh, v4, true}, {old, v6, false}, {fresh, v6, false}} {
		if got := seen.Add(step.record, step.from, time.Now()); got != step.news {
			t.Errorf("step %d: news is %v, want %v", i, got, step.news)
		}
	}
	if got := seen.Found(); len(got) != 1 || got[0].Nameplate != "8" {
		t.Errorf("found %+v", got)
	}
}

func TestAnnounceAnswersItsQuestions(t *testing.T) {
	const label = "0123456789abcdef"
	question := func(name string, kind dnsmessage.Type, known ...dnsmessage.Resource) []byte {
		m := dnsmessage.Message{Answers: known, Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET | 1<<15}}}
		data, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	known := func(ttl uint32) dnsmessage.Resource {
		return dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(lan.Service), Class: dnsmessage.ClassINET, TTL: ttl},
			Body:   &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(label + "." + lan.Service)},
		}
	}
	ours, err := lan.PackQuestion()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		packet []byte
		want   bool
	}{
		"ours":           {ours, true},
		"the service":    {question("_IMGSEND._tcp.local.", dnsmessage.TypePTR), true},
		"anything":       {question(lan.Service, dnsmessage.TypeALL), true},
		"the instance":   {question(label+"."+lan.Service, dnsmessage.TypeSRV), true},
		"the host":       {question(label+".local.", dnsmessage.TypeAAAA), true},
		"another one":    {question("other."+lan.Service, dnsmessage.TypeTXT), false},
		"another":        {question("_http._tcp.local.", dnsmessage.TypePTR), false},
		"known":          {question(lan.Service, dnsmessage.TypePTR, known(100)), false},
		"hardly known":   {question(lan.Service, dnsmessage.TypePTR, known(30)), true},
		"an answer":      {pack(t, testRecord(t, "/ip4/10.73.0.1/tcp/1")), false},
		"nothing at all": {nil, false},
		"a broken one":   {ours[:len(ours)-3], false},
	} {
		if got := lan.AsksFor(c.packet, label); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestAnnounceRefusesWhatIsNotFit(t *testing.T) {
	id := peertest.ID(t, peertest.NewKey(t))
	none := func() []ma.Multiaddr { return nil }
	for name, a := range map[string]lan.Announcement{
		"no name":         {Addrs: none},
		"an unprintable":  {Name: "a\x1bb", Addrs: none},
		"words of a code": {Name: "a", Nameplate: "7-crossbow-tulip", Addrs: none},
	} {
		an, err := lan.Announce(id, a)
		if err == nil {
			an.Close()
			t.Errorf("%s: announced", name)
		} else if strings.Contains(err.Error(), "crossbow") {
			t.Errorf("%s: the error tells the words: %v", name, err)
		}
	}
	if an, err := lan.Announce("no ID", lan.Announcement{Name: "a", Addrs: none}); err == nil {
		an.Close()
		t.Error("an ID that is none is announced")
	}
}

// Without an interface nothing is sent, and Interfaces returns none.
func TestAnnounceAndBrowseWithoutInterfaces(t *testing.T) {
	none := func(net.Interface) bool { return false }
	an, err := lan.AnnounceOn(peertest.ID(t, peertest.NewKey(t)), lan.Announcement{Name: "a", Addrs: func() []ma.Multiaddr { return nil }}, none)
	if err != nil {
		t.Fatal(err)
	}
	defer an.Close()
	if err := an.Update("7"); err != nil {
		t.Error(err)
	}
	b, err := lan.BrowseOn(none)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for f := range b.Find(peertest.Context(t), nil) {
		t.Errorf("found %+v", f)
	}
	if peertest.Context(t).Err() != nil {
		t.Error("it took until the end of time")
	}
	if a, b := an.Interfaces(), b.Interfaces(); len(a) != 0 || len(b) != 0 {
		t.Errorf("claims to announce on %v and to ask on %v", a, b)
	}
	if err := an.Close(); err != nil {
		t.Error(err)
	}
	if err := an.Update("8"); err == nil {
		t.Error("a closed announcer can be updated")
	}
}

func TestAnnounceKeepsToRealInterfaces(t *testing.T) {
	const real = net.FlagUp | net.FlagMulticast | net.FlagBroadcast
	for name, c := range map[string]struct {
		flags net.Flags
		want  bool
	}{
		"eth0": {real, true}, "wlp3s0": {real, true}, "en0": {real, true}, "br0": {real, true}, "bond0": {real, true},
		"eth1": {real &^ net.FlagUp, false}, "eth2": {real &^ net.FlagMulticast, false}, "lo": {real | net.FlagLoopback, false},
		"ppp0": {real | net.FlagPointToPoint, false}, "docker0": {real, false}, "br-3f2a": {real, false}, "vethab": {real, false},
		"virbr0": {real, false}, "tun0": {real, false}, "tap1": {real, false}, "wg0": {real, false}, "cni0": {real, false},
		"podman1": {real, false}, "vmnet8": {real, false}, "tailscale0": {real, false},
	} {
		if got := lan.IsLAN(net.Interface{Name: name, Flags: c.flags}); got != c.want {
			t.Errorf("%s with %v: %v, want %v", name, c.flags, got, c.want)
		}
	}
}

// For any input, accepted records are within the limits and can be packed and parsed again.
func FuzzBrowseRecords(f *testing.F) {
	r := testRecord(f, "/ip4/10.73.0.1/tcp/7420", "/ip6/fd73::1/tcp/7420")
	f.Add(pack(f, r))
	r.Offers = true
	f.Add(pack(f, r))
	r.TTL = 0
	f.Add(pack(f, r))
	for _, texts := range [][]string{{""}, {"txtvers=1", "id=" + r.ID.String(), "name=\x1b"}, {"TXTVERS=1", "txtvers=2", "addr0=/dns/a/tcp/1"},
		{"txtvers=1", "id=" + r.ID.String(), "name=a", "role=", "ROLE=offers", "addr0=/ip4/10.73.0.1/tcp/1"}} {
		data, err := lan.PackTXT("label", 1<<31, texts...)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	question, err := lan.PackQuestion()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(question)
	f.Add([]byte("\x00\x00\x84\x00\x00\x00\xff\xff\x00\x00\x00\x00\xc0\x0c\x00\x10\x80\x01\x00\x00\x00\x78\x00\x02\x01="))
	f.Fuzz(func(t *testing.T, packet []byte) {
		lan.AsksFor(packet, "label")
		got := lan.ParseRecords(packet)
		if len(got) > lan.MaxRecords {
			t.Fatalf("%d records", len(got))
		}
		for _, r := range got {
			if len(r.Name) > lan.MaxName || len(r.Nameplate) > lan.MaxNameplate || len(r.Addrs) > lan.MaxAddrs || r.TTL > lan.RecordTTL {
				t.Fatalf("beyond the limits: %+v", r)
			}
			again := lan.ParseRecords(pack(t, r))
			if len(again) != 1 || fmt.Sprint(again[0]) != fmt.Sprint(r) {
				t.Fatalf("%+v says itself as %+v", r, again)
			}
		}
	})
}
