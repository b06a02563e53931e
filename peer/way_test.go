package peer_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

const fetchProto = peer.FetchFamily + "1"

// ways are the two directions for which a host can listen, each with the other one.
var ways = []struct {
	offers       bool
	proto, wrong string
	right, other peer.Rights
	hint         string // for peers that connect for the other direction
}{
	{false, proto, fetchProto, peer.MaySend, peer.MayFetch, "waits for images; send with imgsend --to"},
	{true, fetchProto, proto, peer.MayFetch, peer.MaySend, "offers images; fetch with imgrecv --from"},
}

// listenWay starts a host on loopback that listens for a way.
func listenWay(t testing.TB, offers bool, policy peer.Policy) *peer.Host {
	t.Helper()
	host, err := peer.Listen(peertest.Context(t), peertest.NewKey(t), peer.ListenConfig{Addr: "127.0.0.1:0", Policy: policy, Offers: offers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	return host
}

// dialFor dials and negotiates a protocol.
func dialFor(t testing.TB, key crypto.PrivKey, target peer.Target, proto string) (*peer.Stream, error) {
	t.Helper()
	s, err := peer.Dial(peertest.Context(t), key, target, peer.DialConfig{Protocol: proto})
	if err == nil {
		t.Cleanup(func() { s.Reset() })
		setDeadline(t, s)
	}
	return s, err
}

// save puts a new peer into the book.
func save(t testing.TB, book *peer.Book, name string, rights peer.Rights) crypto.PrivKey {
	t.Helper()
	key := peertest.NewKey(t)
	if _, err := book.Add(peer.Peer{ID: peertest.ID(t, key), Name: name, Rights: rights}); err != nil {
		t.Fatal(err)
	}
	return key
}

// byBook is the policy of a host that lets in peers with a right.
func byBook(book *peer.Book, right peer.Rights) peer.Policy {
	return peer.Policy{Allow: func(id peer.ID) bool { return book.May(id, right) }, Known: book.Known}
}

// TestRightsAtTheDoor checks that a peer without a right is refused and learns the reason.
func TestRightsAtTheDoor(t *testing.T) {
	for _, way := range ways {
		book := peer.OpenBook(t.TempDir())
		policy := byBook(book, way.right)
		told := make(chan peer.ID, 10)
		policy.Refused = func(id peer.ID, _ ma.Multiaddr) { told <- id }
		target := at(t, listenWay(t, way.offers, policy))
		for name, rights := range map[string]peer.Rights{"right": way.right, "both": way.right | way.other} {
			if _, err := dialFor(t, save(t, book, name, rights), target, way.proto); err != nil {
				t.Errorf("%s, %s: %v", way.proto, name, err)
			}
		}
		for name, c := range map[string]struct {
			key    crypto.PrivKey
			reason string
		}{
			"other":   {save(t, book, "other", way.other), "but does not let it"},
			"none":    {save(t, book, "none", 0), "but does not let it"},
			"unknown": {peertest.NewKey(t), "it does not know this host"},
		} {
			_, err := dialFor(t, c.key, target, way.proto)
			if !errors.Is(err, peer.ErrRefused) || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%s, %s: error %v, want ErrRefused: %s", way.proto, name, err, c.reason)
			}
			if id := <-told; id != peertest.ID(t, c.key) {
				t.Errorf("%s, %s: the user was told of %s", way.proto, name, id)
			}
		}
		if len(told) != 0 {
			t.Errorf("%s: the user was told of one more", way.proto)
		}
	}
}

// TestRightsTakenWhileRunning removes a right from a waiting peer, or makes its line invalid.
func TestRightsTakenWhileRunning(t *testing.T) {
	for _, way := range ways {
		for name, take := range map[string]func(*peer.Book){
			"revoked": func(b *peer.Book) {
				if found, err := b.Revoke("laptop", way.right); !found || err != nil {
					t.Fatal(found, err)
				}
			},
			"damaged": func(b *peer.Book) {
				writeBook(t, b, strings.ReplaceAll(readBook(t, b), "may=send,fetch", "may=send,fetch,"))
				if damage, err := b.Damage(); len(damage) != 1 || err != nil {
					t.Errorf("damage %v, error %v", damage, err)
				}
			},
		} {
			book := peer.OpenBook(t.TempDir())
			laptop := save(t, book, "laptop", way.right|way.other)
			host := listenWay(t, way.offers, byBook(book, way.right))
			waits, err := dialFor(t, laptop, at(t, host), way.proto)
			if err != nil {
				t.Fatal(err)
			}
			take(peer.OpenBook(strings.TrimSuffix(book.Path(), "/peers")))
			if _, err := dialFor(t, laptop, at(t, host), way.proto); !errors.Is(err, peer.ErrRefused) {
				t.Errorf("%s, %s: error %v, want ErrRefused", way.proto, name, err)
			}
			other := save(t, book, "other", way.right)
			if _, err := dialFor(t, other, at(t, host), way.proto); err != nil {
				t.Fatal(err)
			}
			if next := accept(t, host); next.Peer() != peertest.ID(t, other) {
				t.Errorf("%s, %s: it was served", way.proto, name)
			}
			if _, err := waits.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s, %s: it still waits", way.proto, name)
			}
		}
	}
}

// TestOtherWay connects peers for the direction that a host does not serve. They get the reason
// at once and are not served.
func TestOtherWay(t *testing.T) {
	for _, way := range ways {
		book := peer.OpenBook(t.TempDir())
		host := listenWay(t, way.offers, byBook(book, way.right))
		offer(t, host, peer.PairingConfig{})
		for name, key := range map[string]crypto.PrivKey{
			"right": save(t, book, "right", way.right), "other": save(t, book, "other", way.other), "stranger": peertest.NewKey(t),
		} {
			_, err := dialFor(t, key, at(t, host), way.wrong)
			if !errors.Is(err, peer.ErrOtherWay) || !strings.Contains(err.Error(), way.hint) {
				t.Errorf("%s, %s: error %v, want ErrOtherWay: %s", way.wrong, name, err, way.hint)
			}
			peertest.WaitFor(t, "the stranger has gone", func() bool {
				_, err := dialFor(t, peertest.NewKey(t), at(t, host), way.wrong)
				return errors.Is(err, peer.ErrOtherWay)
			})
		}
		right := save(t, book, "last", way.right)
		if _, err := dialFor(t, right, at(t, host), way.proto); err != nil {
			t.Fatal(err)
		}
		if next := accept(t, host); next.Peer() != peertest.ID(t, right) {
			t.Errorf("%s was served", next.Peer())
		}
	}
}

// TestPairOtherWay checks that a dialer that wants the other right does not use up a code and
// gets no right.
func TestPairOtherWay(t *testing.T) {
	for _, way := range ways {
		book := peer.OpenBook(t.TempDir())
		host := listenWay(t, way.offers, byBook(book, way.right))
		offer(t, host, peer.PairingConfig{Paired: func(met peer.Paired) error {
			_, err := book.Add(peer.Peer{ID: met.ID, Name: met.Name, Rights: way.right})
			return err
		}})
		key := peertest.NewKey(t)
		config := peer.PairConfig{Code: parseCode(t, rightCode), Name: "laptop", Fetch: !way.offers}
		if _, err := peer.Pair(peertest.Context(t), key, at(t, host), config); !errors.Is(err, peer.ErrOtherWay) || errors.Is(err, peer.ErrCodeUsed) {
			t.Errorf("error %v, want ErrOtherWay and an unused code", err)
		}
		config.Fetch = way.offers
		peertest.WaitFor(t, "the place is free", func() bool {
			_, err := peer.Pair(peertest.Context(t), key, at(t, host), config)
			if err != nil && !errors.Is(err, peer.ErrNoCode) {
				t.Fatal(err)
			}
			return err == nil
		})
		id := peertest.ID(t, key)
		if !book.May(id, way.right) || book.May(id, way.other) {
			t.Errorf("the code gave %q", readBook(t, book))
		}
	}
}

// TestPairKeepsTheWay forwards a handshake for one right to a host that shows the same code for
// the other right.
func TestPairKeepsTheWay(t *testing.T) {
	dialer, host := peertest.ID(t, peertest.NewKey(t)), peertest.ID(t, peertest.NewKey(t))
	a, b := net.Pipe()
	defer a.Close()
	listens := make(chan error, 1)
	go func() {
		defer b.Close()
		listens <- peer.PairAsListener(b, dialer, host, parseCode(t, rightCode))
	}()
	_, err := peer.PairAsFetcher(a, dialer, host, parseCode(t, rightCode), "laptop")
	if err == nil {
		t.Error("the dialer has met somebody")
	}
	if err := <-listens; !errors.Is(err, peer.ErrWrongCode) {
		t.Errorf("the listener: error %v, want ErrWrongCode", err)
	}
}

// TestFetchFromOldRelease dials a host of a release without fetching.
func TestFetchFromOldRelease(t *testing.T) {
	old := stranger(t)
	old.SetStreamHandler(proto, func(s network.Stream) { _, _ = io.Copy(io.Discard, s) })
	target := listenAs(t, old)
	_, err := dialFor(t, peertest.NewKey(t), target, fetchProto)
	if !errors.Is(err, peer.ErrVersion) || !strings.Contains(err.Error(), "release may be too old") {
		t.Errorf("error %v, want ErrVersion", err)
	}
	config := peer.PairConfig{Code: parseCode(t, rightCode), Name: "laptop", Fetch: true}
	if _, err := peer.Pair(peertest.Context(t), peertest.NewKey(t), target, config); !errors.Is(err, peer.ErrNoCode) || errors.Is(err, peer.ErrCodeUsed) {
		t.Errorf("error %v, want ErrNoCode", err)
	}
}
