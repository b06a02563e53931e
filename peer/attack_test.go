package peer_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	blankhost "github.com/libp2p/go-libp2p/p2p/host/blank"
	ma "github.com/multiformats/go-multiaddr"
)

// listenAs makes other listen on loopback and returns its target.
func listenAs(t testing.TB, other *blankhost.BlankHost) peer.Target {
	t.Helper()
	if err := other.Network().Listen(ma.StringCast("/ip4/127.0.0.1/tcp/0")); err != nil {
		t.Fatal(err)
	}
	return peer.Target{ID: other.ID(), Addr: other.Network().ListenAddresses()[0]}
}

// pairStream opens a pairing stream from other to target. It waits until the host has room for
// a stranger.
func pairStream(t *testing.T, other *blankhost.BlankHost, target peer.Target) (s network.Stream) {
	t.Helper()
	peertest.WaitFor(t, "the place is free", func() (ok bool) {
		other.Peerstore().AddAddr(target.ID, target.Addr, peerstore.TempAddrTTL)
		var err error
		s, err = other.NewStream(peertest.Context(t), target.ID, peer.PairProtocol)
		return err == nil
	})
	t.Cleanup(func() { s.Reset() })
	return s
}

// recorder records the messages that are written.
type recorder struct {
	io.ReadWriter
	sent bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.sent.Write(p)
	return r.ReadWriter.Write(p)
}

// The recorded messages of a successful pairing cannot be replayed by the same peer for the
// same code.
func TestReplay(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	other := stranger(t)
	first := offer(t, host, peer.PairingConfig{})
	record := &recorder{ReadWriter: pairStream(t, other, at(t, host))}
	if _, err := peer.PairAsDialer(record, other.ID(), host.ID(), parseCode(t, rightCode), "laptop"); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Wait(peertest.Context(t)); err != nil {
		t.Fatal(err)
	}
	other.Network().ClosePeer(host.ID())

	second := offer(t, host, peer.PairingConfig{Paired: func(peer.Paired) error { t.Error("paired by a replay"); return nil }})
	if _, err := pairStream(t, other, at(t, host)).Write(record.sent.Bytes()); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Wait(peertest.Context(t)); !errors.Is(err, peer.ErrWrongCode) {
		t.Errorf("error %v, want ErrWrongCode", err)
	}
}

// An attacker reflects the dialer's messages.
func TestReflection(t *testing.T) {
	for what, answer := range map[string]func(kind byte) byte{
		"as it is":        func(kind byte) byte { return kind },
		"as a listener's": func(kind byte) byte { return kind + 1 },
	} {
		mirror := stranger(t)
		mirror.SetStreamHandler(peer.PairProtocol, func(s network.Stream) {
			defer s.Close()
			for {
				message, err := readMessage(s)
				if err != nil {
					return
				}
				message[0] = answer(message[0])
				if message[0] == 2 { // a hello has no number
					message = append([]byte{2, 0, 16}, message[5:]...)
				}
				if _, err := s.Write(message); err != nil {
					return
				}
			}
		})
		if _, err := pair(t, peertest.NewKey(t), listenAs(t, mirror), rightCode); !errors.Is(err, peer.ErrPairing) {
			t.Errorf("%s: error %v, want ErrPairing", what, err)
		}
	}
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// readMessage reads one complete message.
func readMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, 3)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	message := slices.Concat(head, make([]byte, int(head[1])<<8|int(head[2])))
	_, err := io.ReadFull(r, message[3:])
	return message, err
}

// An attacker with a key of its own, at the address that the dialer uses, forwards the messages
// unchanged.
func TestManInTheMiddle(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	p := offer(t, host, peer.PairingConfig{Paired: func(peer.Paired) error { t.Error("paired with the one in between"); return nil }})
	middle := stranger(t)
	carried := make(chan struct{})
	middle.SetStreamHandler(peer.PairProtocol, func(near network.Stream) {
		defer close(carried)
		far := pairStream(t, middle, at(t, host))
		var both sync.WaitGroup
		both.Go(func() { io.Copy(far, near); far.CloseWrite() })
		both.Go(func() { io.Copy(near, far); near.CloseWrite() })
		both.Wait()
	})
	target := listenAs(t, middle)
	target.ID = ""
	if _, err := pair(t, peertest.NewKey(t), target, rightCode); !errors.Is(err, peer.ErrWrongCode) {
		t.Errorf("error %v, want ErrWrongCode", err)
	}
	if _, err := p.Wait(peertest.Context(t)); !errors.Is(err, peer.ErrWrongCode) {
		t.Errorf("the listener's error is %v, want ErrWrongCode", err)
	}
	<-carried
}

// An attacker that answers instead of the listener can test one guess, and does not get the
// dialer's name.
func TestFalseListener(t *testing.T) {
	liar := stranger(t)
	guess := make(chan error, 1)
	liar.SetStreamHandler(peer.PairProtocol, func(s network.Stream) {
		record := &recorder{ReadWriter: s}
		guess <- peer.PairAsListener(record, s.Conn().RemotePeer(), liar.ID(), parseCode(t, wrongCode))
		// Continue as if the guess was right.
		s.Write(append([]byte{6, 0, 40}, make([]byte, 40)...))
		rest, _ := io.ReadAll(s)
		if len(rest) != 0 {
			t.Errorf("the dialer went on with %q", rest)
		}
		s.Close()
	})
	_, err := pair(t, peertest.NewKey(t), listenAs(t, liar), rightCode)
	if !errors.Is(err, peer.ErrWrongCode) || !errors.Is(err, peer.ErrCodeUsed) {
		t.Errorf("error %v, want ErrWrongCode and ErrCodeUsed", err)
	}
	if err := <-guess; !errors.Is(err, peer.ErrWrongCode) {
		t.Errorf("the guess ended with %v", err)
	}
}

// A dialer's error says whether the listener could test a guess at the code.
func TestCodeUsed(t *testing.T) {
	for what, c := range map[string]struct {
		answer [][]byte // what the listener sends for each message it gets
		used   bool
	}{
		"hangs up":                   {nil, false},
		"says hello":                 {[][]byte{append([]byte{2, 0, 16}, make([]byte, 16)...)}, false},
		"sends no element":           {[][]byte{append([]byte{2, 0, 16}, make([]byte, 16)...), append([]byte{4, 0, 32}, make([]byte, 32)...)}, false},
		"refuses at once":            {[][]byte{{0x7f, 0, 1, 1}}, false},
		"takes the proof":            {pairAnswers(t), true},
		"says that there is no code": {append(pairAnswers(t), []byte{0x7f, 0, 1, 1}), true},
		"says that it is busy":       {append(pairAnswers(t), []byte{0x7f, 0, 1, 4}), true},
		"says that it has expired":   {append(pairAnswers(t), []byte{0x7f, 0, 1, 3}), true},
	} {
		liar := stranger(t)
		liar.SetStreamHandler(peer.PairProtocol, func(s network.Stream) {
			defer s.Close()
			for _, answer := range c.answer {
				if _, err := readMessage(s); err != nil {
					return
				}
				if _, err := s.Write(answer); err != nil {
					return
				}
			}
			if c.used {
				readMessage(s)
			}
		})
		_, err := pair(t, peertest.NewKey(t), listenAs(t, liar), rightCode)
		if err == nil || errors.Is(err, peer.ErrCodeUsed) != c.used {
			t.Errorf("the listener %s: error %v, want ErrCodeUsed: %v", what, err, c.used)
		}
	}
}

// pairAnswers are a hello and a share. Any group element is a valid share.
func pairAnswers(t *testing.T) [][]byte {
	t.Helper()
	share := unhex(t, "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157")
	return [][]byte{append([]byte{2, 0, 16}, make([]byte, 16)...), append([]byte{4, 0, 32}, share...)}
}

// A dialer that disconnects before its proof has learned nothing and does not use up the code.
// Nor does a dialer that sends invalid messages.
func TestNothingLearnedNothingBurned(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	offer(t, host, peer.PairingConfig{})
	open := append([]byte{1, 0, 18, 0, 7}, make([]byte, 16)...)
	share := append([]byte{3, 0, 32}, unhex(t, "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157")...)
	for what, message := range map[string][]byte{
		"nothing":            {},
		"open":               open,
		"share":              append(open[:len(open):len(open)], share...),
		"neutral":            append(open[:len(open):len(open)], append([]byte{3, 0, 32}, make([]byte, 32)...)...),
		"short share":        append(open[:len(open):len(open)], 3, 0, 1, 1),
		"long":               {1, 0xff, 0xff},
		"listener's message": {2, 0, 16},
		"refusal":            {0x7f, 0, 1, 2},
	} {
		other := stranger(t)
		s := pairStream(t, other, at(t, host))
		s.Write(message)
		s.CloseWrite()
		s.SetReadDeadline(time.Now().Add(peertest.Patience))
		answer, _ := io.ReadAll(s)
		for i := 0; i < len(answer); {
			if answer[i] != 2 && answer[i] != 4 {
				t.Errorf("%s: answered with %x", what, answer[i:])
				break
			}
			i += 3 + int(answer[i+2])
		}
		other.Network().ClosePeer(host.ID())
	}
	pairSoon(t, host)
}

// An attempt in progress when the code expires does not count.
func TestCodeExpiresDuringATry(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	p := offer(t, host, peer.PairingConfig{Paired: func(peer.Paired) error { t.Error("paired"); return nil }})
	other := stranger(t)
	s := pairStream(t, other, at(t, host))
	late := &hook{ReadWriter: s, before: func(message []byte) {
		if message[0] == 5 {
			p.Cancel()
		}
	}}
	if _, err := peer.PairAsDialer(late, other.ID(), host.ID(), parseCode(t, rightCode), "laptop"); !errors.Is(err, peer.ErrCodeExpired) {
		t.Errorf("error %v, want ErrCodeExpired", err)
	}
}

// hook calls before with each message before it is written.
type hook struct {
	io.ReadWriter
	before func([]byte)
}

func (h *hook) Write(p []byte) (int, error) {
	h.before(p)
	return h.ReadWriter.Write(p)
}

// FuzzPair runs an honest side against arbitrary bytes.
func FuzzPair(f *testing.F) {
	f.Add(true, append([]byte{1, 0, 18, 0, 7}, make([]byte, 16)...))
	f.Add(true, append(append([]byte{1, 0, 18, 0, 7}, make([]byte, 16)...), append([]byte{3, 0, 32}, unhex(f, "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157")...)...))
	f.Add(false, append([]byte{2, 0, 16}, make([]byte, 16)...))
	f.Add(false, append(append([]byte{2, 0, 16}, make([]byte, 16)...), append([]byte{4, 0, 32}, make([]byte, 32)...)...))
	f.Add(false, []byte{0x7f, 0, 1, 2})
	f.Add(false, []byte{0x7f, 0, 0})
	code := parseCode(f, rightCode)
	dialer, host := peertest.ID(f, peertest.NewKey(f)), peertest.ID(f, peertest.NewKey(f))
	f.Fuzz(func(t *testing.T, listener bool, data []byte) {
		rw := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(data), io.Discard}
		var err error
		if listener {
			err = peer.PairAsListener(rw, dialer, host, code)
		} else {
			_, err = peer.PairAsDialer(rw, dialer, host, code, "laptop")
		}
		if err == nil {
			t.Fatalf("%x proved to know the code", data)
		}
	})
}

// One flipped bit in any message, in either direction, makes the pairing fail.
func TestTamperedHandshake(t *testing.T) {
	dialer, host := peertest.ID(t, peertest.NewKey(t)), peertest.ID(t, peertest.NewKey(t))
	code := parseCode(t, rightCode)
	for kind := byte(1); kind <= 5; kind++ {
		for _, at := range []int{3, 4, 18} {
			a, b := net.Pipe()
			flip := func(message []byte) {
				if message[0] == kind {
					message[at] ^= 1
				}
			}
			done := make(chan error, 1)
			go func() {
				defer b.Close()
				done <- peer.PairAsListener(&hook{b, flip}, dialer, host, code)
			}()
			_, err := peer.PairAsDialer(&hook{a, flip}, dialer, host, code, "laptop")
			a.Close()
			if other := <-done; other == nil || err == nil {
				t.Errorf("message %d byte %d: the dialer's error is %v and the listener's %v", kind, at, err, other)
			}
		}
	}
}

func TestInvite(t *testing.T) {
	host := listen(t, "127.0.0.1:0", peer.Policy{})
	shown := make(chan peer.Code, 1)
	var withdrawn []error
	invitation := peer.Invitation{Name: "buildbox", Show: func(c peer.Code) { shown <- c },
		Withdrawn: func(_ peer.Code, err error) { withdrawn = append(withdrawn, err) }}
	type outcome struct {
		met peer.Paired
		err error
	}
	invite := func() chan outcome {
		done := make(chan outcome, 1)
		go func() {
			met, err := host.InviteFast(peertest.Context(t), invitation, time.Millisecond)
			done <- outcome{met, err}
		}()
		return done
	}
	// try pairs with the valid code, or with another code of the same number.
	try := func(right bool) error {
		code := <-shown
		for wrong := code; !right && code == wrong; {
			_, words, _ := strings.Cut(newCode(t).Reveal(), "-")
			code = parseCode(t, fmt.Sprintf("%d-%s", wrong.Number(), words))
		}
		var err error
		peertest.WaitFor(t, "the place is free", func() bool {
			_, err = peer.Pair(peertest.Context(t), peertest.NewKey(t), at(t, host), peer.PairConfig{Code: code, Name: "laptop"})
			return !errors.Is(err, peer.ErrNoCode)
		})
		return err
	}
	done := invite()
	if err := try(false); !errors.Is(err, peer.ErrWrongCode) {
		t.Fatal(err)
	}
	if err := try(true); err != nil {
		t.Fatal(err)
	}
	if o := <-done; o.err != nil || o.met.Name != "laptop" || len(withdrawn) != 1 || !errors.Is(withdrawn[0], peer.ErrWrongCode) {
		t.Errorf("met %+v, withdrawn %v", o, withdrawn)
	}
	done = invite()
	for range 5 {
		if err := try(false); !errors.Is(err, peer.ErrWrongCode) {
			t.Fatal(err)
		}
	}
	if o := <-done; !errors.Is(o.err, peer.ErrTooManyGuesses) {
		t.Errorf("error %v, want ErrTooManyGuesses", o.err)
	}
}
