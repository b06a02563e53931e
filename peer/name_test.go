package peer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/peer"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"buildbox", "a", "build-box_2", "3com", "x86", strings.Repeat("a", 63)} {
		if err := peer.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "-x", "--help", "x-", "_x", "Buildbox", "build box", "7-crystal-tulip", "7-x", "7420", "10.0.0.1", "a.b", "::1", "a:1", "a@b", "a/b",
		"x\x00", "x\n", "x\x1b[2J", "büro", "12d3koowx", strings.Repeat("a", 64), "\u202ex",
	} {
		if err := peer.CheckName(name); !errors.Is(err, peer.ErrBadName) || strings.ContainsAny(err.Error(), "\n\x1b\x00\u202e") {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

var hostNames = map[string]string{
	"buildbox": "buildbox", "BuildBox.local": "buildbox", "Joe's Mac": "joe-s-mac", "": "host", ".": "host", "---": "host",
	"7-crystal-tulip": "host-7-crystal-tulip", "7420": "host-7420", "10.0.0.1": "host-10", "--help": "help", "büro": "b-ro",
	strings.Repeat("a", 80): strings.Repeat("a", 63),
}

func TestCleanName(t *testing.T) {
	for from, want := range hostNames {
		if got := peer.CleanName(from); got != want {
			t.Errorf("%q became %q, want %q", from, got, want)
		}
	}
}

func FuzzCleanName(f *testing.F) {
	for name := range hostNames {
		f.Add(name)
	}
	f.Add(strings.Repeat("7", 62) + "-x")
	f.Add("12d3koo" + strings.Repeat("-", 70))
	f.Fuzz(func(t *testing.T, from string) {
		name := peer.CleanName(from)
		if err := peer.CheckName(name); err != nil {
			t.Fatalf("%q became %q: %v", from, name, err)
		}
		if again := peer.CleanName(name); again != name {
			t.Fatalf("%q became %q, which became %q", from, name, again)
		}
	})
}
