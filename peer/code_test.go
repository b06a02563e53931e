package peer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/peer"
)

func parseCode(t testing.TB, text string) peer.Code {
	t.Helper()
	code, err := peer.ParseCode(text)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func newCode(t testing.TB) peer.Code {
	t.Helper()
	code, err := peer.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestParseCode(t *testing.T) {
	const want = "7-crystal-tulip"
	for _, text := range []string{
		want, peer.CodeForm, "7 crystal tulip", " 7-Crystal-TULIP\n", "7--crystal  tulip", "7_crystal_tulip", "007-crystal-tulip",
		"7-cry-tul", "7-crysta-tulip",
	} {
		if got := parseCode(t, text); got.Reveal() != want || got.Number() != 7 {
			t.Errorf("%q became %s", text, got.Reveal())
		}
	}
}

func TestParseCodeBad(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty", "tulip": "number", "crystal-tulip": "number", "0-crystal-tulip": "number", "1000-crystal-tulip": "number",
		"-7-tulip": "1 words", "+7-crystal-tulip": "number", "7": "0 words", "7-crystal": "1 words", "7-crystal-tulip-tulip": "3 words",
		"7-crystal-tulp":           `did you mean "tulip"?`,
		"7-crystel-tulip":          `did you mean "crystal"?`,
		"7-xxxxxxxxxxxx-tulip":     "the first word",
		"7-cr-tulip":               "", // too short to be unique
		strings.Repeat("7-", 1000): "longer",
	} {
		_, err := peer.ParseCode(text)
		if !errors.Is(err, peer.ErrBadCode) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// An error about one mistyped word does not print the other word. No code is parsed as a host
// name, which would be sent to a resolver.
func TestErrorsKeepTheOtherWord(t *testing.T) {
	for _, text := range []string{"7-crystal-tulp", "7-crystal-qqqqqqqqqqq", "7-crystal", "7-crystal-tulip-x", "7-crystal-tulip@no where", "8-crystal-tulip.", "8-crystal-tulip:7420", "8.crystal.tulip",
		"buildbox@8-crystal-tulip", "/dns/8-crystal-tulip/tcp/1/p2p/" + someID,
		"8-crystal-tulip.local", "8.crystl.tulip", "8-crystal-tulip 192.168.1.20", "8-crystal-tulip,192.168.1.20", "8-crystal-tulip/192.168.1.20",
		"buildbox@8-crystal-tulip:99999", "8-crystal-tulip:99999", "7-crystal-tulp@10.0.0.1"} {
		_, err := peer.ParseTarget(text)
		if !errors.Is(err, peer.ErrBadTarget) {
			t.Fatalf("%q: error %v", text, err)
		}
		// The example in the error has words of its own.
		if strings.Contains(strings.ReplaceAll(err.Error(), peer.CodeForm, ""), "crystal") {
			t.Errorf("%q: error %q shows a right word", text, err)
		}
	}
}

func TestNewCode(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		code := newCode(t)
		if again := parseCode(t, code.Reveal()); again != code {
			t.Fatalf("%s became %s", code.Reveal(), again.Reveal())
		}
		seen[strings.SplitN(code.Reveal(), "-", 2)[1]] = true
	}
	if len(seen) < 195 {
		t.Errorf("200 codes have only %d secrets", len(seen))
	}
}

// No package for printing shows the words.
func TestCodeIsNotPrinted(t *testing.T) {
	code := parseCode(t, "7-crystal-tulip")
	target, err := peer.ParseTarget("7-crystal-tulip@192.168.1.20")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, value := range []any{code, &code, []any{code}, target, &target, peer.PairConfig{Code: code}, peer.PairingConfig{Code: code}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		data, _ := json.Marshal(value)
		out.Write(data)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "code", code, "target", target)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "code", code, "target", target)
	for _, word := range []string{"crystal", "tulip", "63727973", "74756c6970"} {
		if strings.Contains(out.String(), word) {
			t.Errorf("%q is printed in %s", word, out.String())
		}
	}
	if fmt.Sprint(code) != "7-*-*" || target.String() != "7-*-*@192.168.1.20:7420" {
		t.Errorf("printed as %v and %v", code, target)
	}
}

func FuzzParseCode(f *testing.F) {
	for _, text := range []string{"7-crystal-tulip", "7 TULIP tulip", "7-cry-tul", "7-tulp-x", "", "-", "999_a_b", "7-\x1b[2J-\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, err := peer.ParseCode(text)
		if err != nil {
			if !errors.Is(err, peer.ErrBadCode) || !code.IsZero() || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("code %v, error %q", code, err)
			}
			return
		}
		if again, err := peer.ParseCode(code.Reveal()); err != nil || again != code {
			t.Fatalf("%q became %s, which became %s, %v", text, code.Reveal(), again.Reveal(), err)
		}
	})
}
