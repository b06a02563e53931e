package peer_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	ma "github.com/multiformats/go-multiaddr"
)

const otherID = "12D3KooWSbS1nMNtJ93cuJM8qXU5QX1rsjjpuQchLrghRo1JTzKm"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func parseID(t testing.TB, text string) peer.ID {
	t.Helper()
	id, err := peer.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func add(t testing.TB, book *peer.Book, id peer.ID, name string, addrs ...string) string {
	t.Helper()
	p := peer.Peer{ID: id, Name: name, Rights: peer.MaySend, Seen: noon}
	for _, addr := range addrs {
		p.Addrs = append(p.Addrs, ma.StringCast(addr))
	}
	name, err := book.Add(p)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func readBook(t testing.TB, book *peer.Book) string {
	t.Helper()
	data, err := os.ReadFile(book.Path())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeBook(t testing.TB, book *peer.Book, text string) {
	t.Helper()
	if err := os.WriteFile(book.Path(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBook(t *testing.T) {
	book := peer.OpenBook(filepath.Join(t.TempDir(), "home"))
	if peers, err := book.List(); err != nil || len(peers) != 0 {
		t.Fatalf("a book that is not there has %v, error %v", peers, err)
	}
	id := parseID(t, someID)
	if book.Known(id) {
		t.Error("known before it was saved")
	}
	add(t, book, id, "buildbox", "/ip4/192.168.1.20/tcp/7420", "/ip6/fd00::1/tcp/7420")
	want := "buildbox " + someID + " 2026-11-23T12:00:00Z /ip4/192.168.1.20/tcp/7420,/ip6/fd00::1/tcp/7420\n"
	if text := readBook(t, book); !strings.HasPrefix(text, "#") || !strings.HasSuffix(text, "\n"+want) {
		t.Errorf("the file is %q", text)
	}
	for _, find := range []func() (peer.Peer, bool, error){
		func() (peer.Peer, bool, error) { return book.ByName("BuildBox") },
		func() (peer.Peer, bool, error) { return book.ByID(id) },
	} {
		p, found, err := find()
		if err != nil || !found || p.ID != id || p.Name != "buildbox" || !p.Seen.Equal(noon) || len(p.Addrs) != 2 {
			t.Errorf("found %+v, %v, %v", p, found, err)
		}
	}
	if _, found, err := book.ByName("other"); found || err != nil {
		t.Errorf("found somebody: %v", err)
	}
	if !book.Known(id) {
		t.Error("not known")
	}
	if found, err := book.Forget("Buildbox"); !found || err != nil {
		t.Errorf("forgotten %v, error %v", found, err)
	}
	if book.Known(id) {
		t.Error("known after it was forgotten")
	}
	if found, err := book.Forget("buildbox"); found || err != nil {
		t.Errorf("forgotten %v, error %v", found, err)
	}
}

func TestBookSeen(t *testing.T) {
	book := peer.OpenBook(t.TempDir())
	id := parseID(t, someID)
	add(t, book, id, "buildbox", "/ip4/10.0.0.1/tcp/1")
	// Clocks may go backwards; the later call wins.
	for n := 5; n >= 1; n-- {
		addr := ma.StringCast(fmt.Sprintf("/ip4/10.0.0.%d/tcp/1", n))
		if err := book.Seen(id, addr, noon.Add(time.Duration(-n)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.Seen(id, nil, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if err := book.Seen(parseID(t, otherID), nil, noon); err != nil {
		t.Fatal(err)
	}
	want := "buildbox " + someID + " - /ip4/10.0.0.1/tcp/1,/ip4/10.0.0.2/tcp/1,/ip4/10.0.0.3/tcp/1,/ip4/10.0.0.4/tcp/1\n"
	if text := readBook(t, book); !strings.HasSuffix(text, want) {
		t.Errorf("the file is %q", text)
	}
}

func TestBookNameCollision(t *testing.T) {
	book := peer.OpenBook(t.TempDir())
	long := strings.Repeat("a", 63)
	for i, want := range []string{"buildbox", "buildbox-2", "buildbox-3"} {
		if got := add(t, book, peertest.ID(t, peertest.NewKey(t)), "buildbox"); got != want {
			t.Errorf("peer %d is saved as %s, want %s", i, got, want)
		}
	}
	add(t, book, peertest.ID(t, peertest.NewKey(t)), long)
	if got := add(t, book, peertest.ID(t, peertest.NewKey(t)), long); got != strings.Repeat("a", 61)+"-2" {
		t.Errorf("saved as %s", got)
	}
	// A saved key keeps its name.
	id := peertest.ID(t, peertest.NewKey(t))
	add(t, book, id, "laptop")
	if got := add(t, book, id, "buildbox", "/ip4/10.0.0.1/tcp/1"); got != "laptop" {
		t.Errorf("saved as %s", got)
	}
	if p, _, _ := book.ByID(id); len(p.Addrs) != 1 {
		t.Errorf("saved %+v", p)
	}
	for _, name := range []string{"", "x y", "7-crystal-tulip", "a\nb"} {
		if _, err := book.Add(peer.Peer{ID: id, Name: name}); !errors.Is(err, peer.ErrBadName) {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

// keptText is a file with lines of users and other versions.
const keptText = "# mine\n\n" +
	"\tBuildBox\t" + someID + "  2026-11-23T13:00:00+01:00 - colour=blue  size=3 \r\n" +
	"laptop nonsense 2026-11-23T12:00:00Z -\n" +
	"laptop\n" +
	"phone " + someID + " - -\n" + // the same ID
	"buildbox " + otherID + " - -\n" + // the same name
	"tablet " + otherID + " yesterday -\n" +
	"tablet " + otherID + " - /dns4/example.com/tcp/1\n" +
	"7-crystal-tulip " + otherID + " - -\n" +
	"last " + otherID + " - -"

func TestBookDamage(t *testing.T) {
	book := peer.OpenBook(t.TempDir())
	writeBook(t, book, keptText)
	peers, err := book.List()
	if err != nil || len(peers) != 2 || peers[0].Name != "buildbox" || peers[1].Name != "last" {
		t.Fatalf("peers %v, error %v", peers, err)
	}
	damage, err := book.Damage()
	var lines []int
	for _, d := range damage {
		lines = append(lines, d.Line)
	}
	if err != nil || fmt.Sprint(lines) != "[4 5 6 7 8 9 10]" {
		t.Errorf("damage %v, error %v", damage, err)
	}
	if got := fmt.Sprint(damage[0]); !strings.HasPrefix(got, "line 4: ") {
		t.Errorf("damage is shown as %q", got)
	}
	// Other lines do not change.
	if err := book.Seen(parseID(t, otherID), nil, noon); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(keptText, "last "+otherID+" - -", "last "+otherID+" 2026-11-23T12:00:00Z -\n", 1)
	if got := readBook(t, book); got != want {
		t.Errorf("the file is\n%q, want\n%q", got, want)
	}
	if err := book.Seen(parseID(t, someID), nil, noon); err != nil {
		t.Fatal(err)
	}
	if got := readBook(t, book); !strings.Contains(got, "\nbuildbox "+someID+" 2026-11-23T12:00:00Z - colour=blue  size=3\n") {
		t.Errorf("the file is %q", got)
	}
}

// Forgetting a peer must not make another line with its name or ID valid.
func TestForgetLeavesNothingBehind(t *testing.T) {
	book := peer.OpenBook(t.TempDir())
	writeBook(t, book, keptText)
	if found, err := book.Forget("buildbox"); !found || err != nil {
		t.Fatal(err)
	}
	if book.Known(parseID(t, someID)) {
		t.Error("it is known under another name")
	}
	if text := readBook(t, book); strings.Contains(strings.ToLower(text), "buildbox") || strings.Contains(text, someID) {
		t.Errorf("the file is %q", text)
	}
	if _, found, _ := book.ByName("last"); !found {
		t.Error("another peer is gone")
	}
	if found, err := book.Forget("laptop"); !found || err != nil {
		t.Errorf("a damaged line was not forgotten: %v, %v", found, err)
	}
}

func TestBookPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	home := filepath.Join(t.TempDir(), "a", "home")
	book := peer.OpenBook(home)
	id := parseID(t, someID)
	add(t, book, id, "buildbox")
	mode := func(path string) os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if mode(home) != 0o700 || mode(book.Path()) != 0o600 {
		t.Errorf("modes %v and %v", mode(home), mode(book.Path()))
	}
	if !book.Known(id) {
		t.Error("not known")
	}
	// Other users could have added themselves.
	if err := os.Chmod(book.Path(), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := book.List(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("error %v", err)
	}
	if book.Known(id) {
		t.Error("known by a file that others can write")
	}
	if _, err := book.Add(peer.Peer{ID: id, Name: "x"}); err == nil {
		t.Error("written to")
	}
	if err := os.Chmod(book.Path(), 0o644); err != nil {
		t.Fatal(err)
	}
	add(t, book, id, "buildbox")
	if mode(book.Path()) != 0o600 {
		t.Errorf("mode %v", mode(book.Path()))
	}
	if left, _ := filepath.Glob(filepath.Join(home, "*.tmp")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBookTooLarge(t *testing.T) {
	book := peer.OpenBook(t.TempDir())
	writeBook(t, book, strings.Repeat("#\n", 1<<20))
	if _, err := book.List(); err == nil {
		t.Error("no error")
	}
	if book.Known(parseID(t, someID)) {
		t.Error("known")
	}
}

// An edit in place that keeps the length is noticed.
func TestKnownFollowsTheFile(t *testing.T) {
	book := peer.OpenBook(t.TempDir())
	one, two := parseID(t, someID), parseID(t, otherID)
	for range 50 {
		writeBook(t, book, "box "+someID+" - -\n")
		if !book.Known(one) || book.Known(two) {
			t.Fatal("the file was not read again")
		}
		writeBook(t, book, "box "+otherID+" - -\n")
		if book.Known(one) || !book.Known(two) {
			t.Fatal("the file was not read again")
		}
	}
	if err := os.Remove(book.Path()); err != nil {
		t.Fatal(err)
	}
	if book.Known(two) {
		t.Error("known by a file that is gone")
	}
}

// Another program forgets a peer while a host runs and the peer is connected.
func TestForgetWhileRunning(t *testing.T) {
	home := t.TempDir()
	book := peer.OpenBook(home)
	key := peertest.NewKey(t)
	add(t, book, peertest.ID(t, key), "laptop")
	host := listen(t, "127.0.0.1:0", peer.Policy{Allow: book.Known})
	served := dial(t, key, at(t, host))
	in := accept(t, host)
	waits := dial(t, key, at(t, host)) // waits to be accepted
	if found, err := peer.OpenBook(home).Forget("laptop"); !found || err != nil {
		t.Fatal(err)
	}
	if err := tryDial(t, key, at(t, host)); !errors.Is(err, peer.ErrRefused) {
		t.Errorf("error %v, want ErrRefused", err)
	}
	// A stream in progress may end, but a waiting one is not served.
	if _, err := served.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := in.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	other := peertest.NewKey(t)
	add(t, book, peertest.ID(t, other), "other")
	dial(t, other, at(t, host))
	if next := accept(t, host); next.Peer() != peertest.ID(t, other) {
		t.Error("a forgotten peer was served")
	}
	if _, err := waits.Read(make([]byte, 1)); err == nil {
		t.Error("a forgotten peer still waits")
	}
}

func init() {
	peertest.Helpers["book"] = func() error {
		book := peer.OpenBook(os.Getenv("PEER_TEST_HOME"))
		id, err := peer.ParseID(os.Getenv("PEER_TEST_ID"))
		if err != nil {
			return err
		}
		for n := range 10 {
			if _, err := book.Add(peer.Peer{ID: id, Name: fmt.Sprintf("p%d", os.Getpid()), Seen: noon}); err != nil {
				return err
			}
			if err := book.Seen(id, ma.StringCast(fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", n+1)), noon); err != nil {
				return err
			}
		}
		return nil
	}
}

// Programs that use the file at the same time do not lose each other's changes.
func TestBookOfManyPrograms(t *testing.T) {
	home := t.TempDir()
	book := peer.OpenBook(home)
	var programs sync.WaitGroup
	for range 4 {
		id := peertest.ID(t, peertest.NewKey(t))
		cmd := helperCommand(t, "book", "PEER_TEST_HOME="+home, "PEER_TEST_ID="+id.String())
		programs.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	mine := peertest.ID(t, peertest.NewKey(t))
	for n := range 10 {
		if _, err := book.Add(peer.Peer{ID: mine, Name: "mine"}); err != nil {
			t.Error(err)
		}
		if n < 9 {
			if _, err := book.Forget("mine"); err != nil {
				t.Error(err)
			}
		}
	}
	programs.Wait()
	peers, err := book.List()
	damage, _ := book.Damage()
	if err != nil || len(peers) != 5 || len(damage) != 0 {
		t.Fatalf("peers %v, damage %v, error %v", peers, damage, err)
	}
	for _, p := range peers {
		if p.Name != "mine" && len(p.Addrs) != 4 {
			t.Errorf("%s lost addresses: %v", p.Name, p.Addrs)
		}
	}
}

// Both kinds of locks also exclude other goroutines.
func FuzzBook(f *testing.F) {
	f.Add(keptText)
	f.Add("")
	f.Add("\n\n#")
	f.Add("a " + someID + " 0000-01-01T00:00:00Z /ip4/1.2.3.4/tcp/1 x\x00y")
	f.Add("a " + someID + " 9999-12-31T23:59:59-23:00 -")
	for _, rights := range []string{"may=fetch", "may=send,fetch x", "may=-\tcolour=blue", "may=", "may=send,send", "may=-,send", "fetch", "x MAY=-"} {
		f.Add("a " + someID + " - - " + rights)
	}
	f.Fuzz(func(t *testing.T, text string) {
		peers, damage := peer.ReadPage(text)
		kept := peer.RewritePage(text, false)
		if kept != text && kept != text+"\n" {
			t.Fatalf("%q became %q", text, kept)
		}
		again, damageAgain := peer.ReadPage(peer.RewritePage(text, true))
		if len(again) != len(peers) || len(damageAgain) != len(damage) {
			t.Fatalf("%q: %v became %v", text, peers, again)
		}
		for i, p := range peers {
			if again[i].ID != p.ID || again[i].Name != p.Name || again[i].Rights != p.Rights || len(again[i].Addrs) != len(p.Addrs) || peer.CheckName(p.Name) != nil {
				t.Fatalf("%q: %v became %v", text, p, again[i])
			}
		}
		for _, d := range damage {
			if strings.ContainsAny(d.String(), "\n\r\x1b\x00") {
				t.Fatalf("%q would upset a terminal", d)
			}
		}
	})
}

// helperCommand returns this program as the named helper.
func helperCommand(t *testing.T, helper string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(peertest.Context(t), os.Args[0])
	cmd.Env = append(append(os.Environ(), peertest.HelperVar+"="+helper), env...)
	return cmd
}
