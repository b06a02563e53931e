package lan_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer/internal/peertest"
	"github.com/imgsend/imgsend/peer/lan"
	"github.com/libp2p/go-libp2p/core/crypto"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
)

func init() {
	peertest.Helpers["announce"] = helperAnnounce
	peertest.Helpers["browse"] = helperBrowse
	peertest.Helpers["flood"] = helperFlood
}

// reply is the answer of a helper to one line of its standard input.
type reply struct {
	ID         string
	Interfaces []string
	List       []sighting
	Next       *sighting // nil at the end
	Took       time.Duration
	Err        string
}

type sighting struct {
	ID, Name, Nameplate string
	Addrs               []string
}

func sight(f lan.Found) sighting {
	return sighting{f.ID.String(), f.Name, f.Nameplate, strings.Fields(strings.Trim(fmt.Sprint(f.Addrs), "[]"))}
}

// converse answers lines until "close", and ends the process if the input ends before.
func converse(answer func(line string) reply) error {
	defer time.AfterFunc(peertest.Patience, func() { os.Exit(3) }).Stop()
	out := json.NewEncoder(os.Stdout)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := out.Encode(answer(in.Text())); err != nil {
			return err
		}
		if in.Text() == "close" {
			return goleak.Find()
		}
	}
	return errors.New("nobody said close")
}

// helperAnnounce announces a host that listens on port 7420, or on 7421 if that is in use.
func helperAnnounce() error {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return err
	}
	id, err := lpeer.IDFromPrivateKey(key)
	if err != nil {
		return err
	}
	port := 7420
	socket, err := net.Listen("tcp", fmt.Sprint(":", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		port++
		socket, err = net.Listen("tcp", fmt.Sprint(":", port))
	}
	if err != nil {
		return err
	}
	listening := []ma.Multiaddr{ma.StringCast(fmt.Sprintf("/ip4/0.0.0.0/tcp/%d", port)), ma.StringCast(fmt.Sprintf("/ip6/::/tcp/%d", port))}
	an, err := lan.Announce(id, lan.Announcement{Name: os.Getenv("PEER_TEST_NAME"), Nameplate: "7",
		Addrs: func() []ma.Multiaddr { return lan.Reachable(listening) }})
	if err != nil {
		return err
	}
	return converse(func(line string) reply {
		r := reply{ID: id.String(), Interfaces: an.Interfaces()}
		err := error(nil)
		if nameplate, ok := strings.CutPrefix(line, "update "); ok {
			err = an.Update(nameplate)
		}
		if line == "close" {
			err = errors.Join(an.Close(), socket.Close())
		}
		if err != nil {
			r.Err = err.Error()
		}
		return r
	})
}

func helperBrowse() error {
	start := time.Now()
	b, err := lan.Browse()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), peertest.Patience)
	defer cancel()
	next, stop := iter.Pull(b.Find(ctx, nil))
	return converse(func(line string) reply {
		r := reply{Interfaces: b.Interfaces()}
		switch line {
		case "next":
			if f, ok := next(); ok {
				s := sight(f)
				r.Next = &s
			}
		case "list":
			for _, f := range b.Found() {
				r.List = append(r.List, sight(f))
			}
		case "close":
			stop()
			if err := b.Close(); err != nil {
				r.Err = err.Error()
			}
		}
		r.Took = time.Since(start)
		return r
	})
}

// helperFlood acts as a hostile host: it sends a thousand services, invalid messages, and
// questions that ask for an answer to another address.
func helperFlood() error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
	if err != nil {
		return err
	}
	defer conn.Close()
	eth0, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	if err := ipv4.NewPacketConn(conn).SetMulticastInterface(eth0); err != nil {
		return err
	}
	legacy, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(peertest.HostIP)})
	if err != nil {
		return err
	}
	defer legacy.Close()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return err
	}
	id, err := lpeer.IDFromPrivateKey(key)
	if err != nil {
		return err
	}
	unicast := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(lan.Service), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET | 1<<15}}}
	question, err := unicast.Pack()
	if err != nil {
		return err
	}
	return converse(func(string) reply {
		r := lan.Record{ID: id, Name: "flood", Nameplate: "7", TTL: lan.RecordTTL, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/" + peertest.HostIP + "/tcp/1")}}
		var errs []error
		for i := range 1000 {
			r.Label = fmt.Sprint("l", i)
			data, err := r.Pack()
			errs = append(errs, err)
			for _, packet := range [][]byte{data, data[:len(data)/2], append(data, make([]byte, 1000)...), question} {
				for _, from := range []*net.UDPConn{conn, legacy} {
					_, err := from.WriteTo(packet, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
					errs = append(errs, err)
				}
			}
		}
		if err := errors.Join(errs...); err != nil {
			return reply{Err: err.Error()}
		}
		return reply{ID: id.String()}
	})
}

// talk starts a helper in a namespace and returns a function that sends it a line and returns
// its answer.
func talk(t *testing.T, ns, what string, env ...string) func(line string) reply {
	t.Helper()
	// With the race detector each helper would take a second to end.
	stdin, stdout, wait := peertest.Start(t, ns, what, append(env, "GORACE=atexit_sleep_ms=0")...)
	return func(line string) reply {
		t.Helper()
		if _, err := io.WriteString(stdin, line+"\n"); err != nil {
			t.Fatal(errors.Join(err, wait()))
		}
		text, err := stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("%s %s: %v", what, line, errors.Join(err, wait()))
		}
		var r reply
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if r.Err != "" {
			t.Fatalf("%s %s: %s", what, line, r.Err)
		}
		if line == "close" {
			if err := wait(); err != nil {
				t.Error(err)
			}
		}
		return r
	}
}

// newLAN returns a network of two hosts that also have an interface of containers and a tunnel.
func newLAN(t *testing.T, v4, v6 bool) *peertest.Net {
	t.Helper()
	n := peertest.NewNet(t)
	for i, ns := range []string{n.Host, n.Dialer} {
		ip := func(args ...string) { t.Helper(); peertest.Run(t, "ip", append([]string{"-n", ns}, args...)...) }
		if v6 {
			peertest.Run(t, "ip", "netns", "exec", ns, "sh", "-c", "cd /proc/sys/net/ipv6/conf && "+
				"for f in all default eth0; do echo 0 > $f/accept_dad; echo 0 > $f/disable_ipv6; done")
			ip("addr", "add", fmt.Sprintf("fd73::%d/64", i+1), "dev", "eth0", "nodad")
		}
		if !v4 {
			ip("-4", "addr", "flush", "dev", "eth0")
		}
		for other, prefix := range map[string]string{"docker0": "17", "tun0": "99"} {
			// Not all kernels have dummies; a pair does as well.
			ip("link", "add", other, "type", "veth", "peer", "name", "veth-"+other)
			ip("link", "set", "veth-"+other, "up")
			ip("link", "set", other, "up")
			ip("addr", "add", "172."+prefix+".0.1/16", "dev", other)
			if v6 {
				ip("addr", "add", "fd"+prefix+"::1/64", "dev", other, "nodad")
			}
		}
	}
	return n
}

var (
	mdnsPacket = regexp.MustCompile(` IP6? \S+\.5353 > (224\.0\.0\.251|ff02::fb)\.5353: `)
	// The kernel itself joins groups, solicits routers, and probes for duplicates of its
	// address.
	kernelPacket = regexp.MustCompile(` IP \S+ > 224\.0\.0\.22: igmp| IP6 \S+ > ff02::\S+: (HBH )?ICMP6, `)
)

// onlyMulticast checks that a capture contains multicast DNS only.
func onlyMulticast(t *testing.T, end string, packets []string) {
	t.Helper()
	spoken := 0
	for _, packet := range packets {
		switch {
		case mdnsPacket.MatchString(packet):
			spoken++
			if strings.Contains(packet, "docker0") || strings.Contains(packet, "tun0") {
				t.Errorf("%s saw on another interface: %s", end, packet)
			}
		case kernelPacket.MatchString(packet):
		default:
			t.Errorf("%s saw: %s", end, packet)
		}
	}
	t.Logf("%s saw %d multicasts of ours among %d packets", end, spoken, len(packets))
	if spoken < 4 {
		t.Errorf("%s saw only %d multicasts, the capture proves nothing", end, spoken)
	}
}

func TestDiscoverOnALAN(t *testing.T) {
	for name, c := range map[string]struct{ v4, v6 bool }{
		"IPv4 alone": {v4: true}, "IPv6 alone": {v6: true}, "both": {v4: true, v6: true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newLAN(t, c.v4, c.v6)
			stopHost, stopDialer := peertest.Capture(t, n.Host), peertest.Capture(t, n.Dialer)
			browse := talk(t, n.Dialer, "browse")
			if got := browse("interfaces").Interfaces; !slices.Equal(got, []string{"eth0"}) {
				t.Errorf("asks on %v, want eth0", got)
			}
			one := talk(t, n.Host, "announce", "PEER_TEST_NAME=buildbox")
			r := one("interfaces")
			if !slices.Equal(r.Interfaces, []string{"eth0"}) {
				t.Errorf("announces on %v, want eth0", r.Interfaces)
			}
			want := sighting{ID: r.ID, Name: "buildbox", Nameplate: "7"}
			if c.v4 {
				want.Addrs = append(want.Addrs, "/ip4/"+peertest.HostIP+"/tcp/7420/p2p/"+r.ID)
			}
			if c.v6 {
				want.Addrs = append(want.Addrs, "/ip6/fd73::1/tcp/7420/p2p/"+r.ID)
			}
			expect := func(got *sighting) {
				t.Helper()
				if got == nil || fmt.Sprint(*got) != fmt.Sprint(want) {
					t.Fatalf("found %+v, want %+v", got, want)
				}
			}
			expect(browse("next").Next)

			// A browser that starts later learns the host from an answer, not from the first
			// announcement.
			late := talk(t, n.Dialer, "browse")
			got := late("next")
			expect(got.Next)
			t.Logf("first answer after %v", got.Took)
			if got.Took > 2*time.Second {
				t.Errorf("first answer after %v, promised within 2 s", got.Took)
			}
			late("close")

			// Another receiver with a code of the same number.
			two := talk(t, n.Host, "announce", "PEER_TEST_NAME=buildbox")
			second := browse("next").Next
			if id := two("interfaces").ID; second == nil || second.ID != id || second.Nameplate != "7" || !strings.Contains(second.Addrs[0], "/tcp/7421/") {
				t.Fatalf("found %+v, want %s", second, id)
			}
			if list := browse("list").List; len(list) != 2 {
				t.Errorf("%+v are there, want both", list)
			}

			one("update 12")
			want.Nameplate = "12"
			expect(browse("next").Next)
			one("update ")
			want.Nameplate = ""
			expect(browse("next").Next)

			one("close")
			peertest.WaitFor(t, "it vanishes", func() bool {
				list := browse("list").List
				return len(list) == 1 && list[0].ID == second.ID
			})
			two("close")
			browse("close")
			onlyMulticast(t, "the announcing host", stopHost())
			onlyMulticast(t, "the asking host", stopDialer())
		})
	}
}

func TestDiscoverWithoutMulticast(t *testing.T) {
	n := newLAN(t, true, false)
	for _, ns := range []string{n.Host, n.Dialer} {
		peertest.Run(t, "ip", "-n", ns, "link", "set", "eth0", "multicast", "off")
	}
	stop := peertest.Capture(t, n.Dialer)
	announce := talk(t, n.Host, "announce", "PEER_TEST_NAME=buildbox")
	browse := talk(t, n.Dialer, "browse")
	r := browse("next")
	if r.Next != nil || len(r.Interfaces) != 0 || r.Took > 2*time.Second {
		t.Errorf("found %+v on %v after %v, want nothing on nothing at once", r.Next, r.Interfaces, r.Took)
	}
	if got := announce("interfaces").Interfaces; len(got) != 0 {
		t.Errorf("announces on %v", got)
	}
	browse("close")
	announce("close")
	if packets := stop(); len(packets) != 0 {
		t.Errorf("sent %q", packets)
	}
}

func TestDiscoverInterfacesThatComeAndGo(t *testing.T) {
	n := newLAN(t, true, false)
	peertest.Run(t, "ip", "-n", n.Host, "link", "set", "eth0", "down")
	announce := talk(t, n.Host, "announce", "PEER_TEST_NAME=buildbox")
	if got := announce("interfaces").Interfaces; len(got) != 0 {
		t.Errorf("announces on %v", got)
	}
	browse := talk(t, n.Dialer, "browse")
	peertest.Run(t, "ip", "-n", n.Host, "link", "set", "eth0", "up")
	if got := browse("next").Next; got == nil || got.Name != "buildbox" {
		t.Fatalf("found %+v", got)
	}
	peertest.Run(t, "ip", "-n", n.Host, "addr", "del", peertest.HostIP+"/24", "dev", "eth0")
	peertest.Run(t, "ip", "-n", n.Host, "addr", "add", "10.73.0.9/24", "dev", "eth0")
	if got := browse("next").Next; got == nil || !strings.HasPrefix(got.Addrs[0], "/ip4/10.73.0.9/") {
		t.Fatalf("found %+v, want the new address", got)
	}
	peertest.Run(t, "ip", "-n", n.Dialer, "link", "set", "eth0", "down")
	peertest.WaitFor(t, "it is forgotten with the link", func() bool { return len(browse("list").List) == 0 })
	browse("close")
	announce("close")
}

// A host on two links is one host, and announces on each link its address there.
func TestDiscoverOverTwoWires(t *testing.T) {
	n := newLAN(t, true, false)
	peertest.Run(t, "ip", "link", "add", "eth1", "netns", n.Host, "type", "veth", "peer", "name", "eth1", "netns", n.Dialer)
	for ns, ip := range map[string]string{n.Host: "10.74.0.1/24", n.Dialer: "10.74.0.2/24"} {
		peertest.Run(t, "ip", "-n", ns, "addr", "add", ip, "dev", "eth1")
		peertest.Run(t, "ip", "-n", ns, "link", "set", "eth1", "up")
	}
	stop := peertest.Capture(t, n.Dialer)
	announce := talk(t, n.Host, "announce", "PEER_TEST_NAME=buildbox")
	r := announce("interfaces")
	slices.Sort(r.Interfaces)
	if !slices.Equal(r.Interfaces, []string{"eth0", "eth1"}) {
		t.Errorf("announces on %v", r.Interfaces)
	}
	browse := talk(t, n.Dialer, "browse")
	want := sighting{r.ID, "buildbox", "7", []string{"/ip4/" + peertest.HostIP + "/tcp/7420/p2p/" + r.ID, "/ip4/10.74.0.1/tcp/7420/p2p/" + r.ID}}
	peertest.WaitFor(t, "it is found on both wires", func() bool {
		list := browse("list").List
		if len(list) > 1 {
			t.Fatalf("found %+v, want one host", list)
		}
		return len(list) == 1 && fmt.Sprint(list[0]) == fmt.Sprint(want)
	})
	announce("close")
	browse("close")
	packets := stop()
	onlyMulticast(t, "the asking host", packets)
	for _, packet := range packets {
		if strings.Contains(packet, "eth0") && strings.Contains(packet, "10.74.0.1") || strings.Contains(packet, "eth1") && strings.Contains(packet, peertest.HostIP+" ") {
			t.Errorf("an address is told on the other wire: %s", packet)
		}
	}
}

func TestDiscoverSurvivesAFlood(t *testing.T) {
	n := newLAN(t, true, true)
	stop := peertest.Capture(t, n.Dialer)
	browse := talk(t, n.Dialer, "browse")
	announce := talk(t, n.Dialer, "announce", "PEER_TEST_NAME=buildbox")
	flood := talk(t, n.Host, "flood")
	liar := flood("now").ID
	// The browsing host announces as well. The other host is still found.
	id := announce("update 9").ID
	var list []sighting
	peertest.WaitFor(t, "the honest host is found", func() bool {
		list = browse("list").List
		return slices.ContainsFunc(list, func(s sighting) bool { return s.ID == id && s.Nameplate == "9" })
	})
	lies := 0
	for _, s := range list {
		if s.ID == liar {
			lies++
		}
	}
	if lies == 0 || lies > lan.MaxSeenSource {
		t.Errorf("%d of 1000 made-up hosts are remembered, want some and at most %d", lies, lan.MaxSeenSource)
	}
	flood("close")
	announce("close")
	browse("close")
	answers := 0
	for _, packet := range stop() {
		if strings.Contains(packet, " IP "+peertest.DialIP+".") {
			answers++
			if !mdnsPacket.MatchString(packet) {
				t.Errorf("sent: %s", packet)
			}
		}
	}
	t.Logf("%d packets sent in return", answers)
	if answers > 50 {
		t.Errorf("%d packets answer a flood", answers)
	}
}
