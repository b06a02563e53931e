package lab

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway"
)

func TestParseCounters(t *testing.T) {
	const shown = `[{"ifindex":2,"ifname":"lan0","mtu":1500,"stats64":{"rx":{"bytes":120,"packets":3},"tx":{"bytes":7000,"packets":9}}}]`
	if n, err := parseCounters(shown); n != 7120 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"", "[]", "[{}]", "Device not found"} {
		if n, err := parseCounters(bad); err == nil {
			t.Errorf("%q: %d", bad, n)
		}
	}
}

func TestBurst(t *testing.T) {
	for rate, want := range map[int64]int64{1e6: 65536, 1e9: 250_000, 10e9: 2_500_000} {
		if got := burst(rate); got != want {
			t.Errorf("%d: %d, want %d", rate, got, want)
		}
	}
}

func TestListening(t *testing.T) {
	const addr = "/ip4/10.73.0.2/tcp/4001/p2p/12D3KooW"
	event := func(addrs string) string {
		return "{\"event\":\"other\"}\nno JSON\n{\"event\":\"listening\",\"addrs\":[" + addrs + "]}\n"
	}
	got, err := listening(bufio.NewReader(strings.NewReader(event(`"/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW","` + addr + `"`))))
	if got != addr || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "{}\n", event(""), event(`"/ip4/127.0.0.1/tcp/1/p2p/Q"`)} {
		if got, err := listening(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestChoose(t *testing.T) {
	var specs []throwaway.Spec
	for _, name := range []string{"classic-20.10", "podman-4.3", "classic-9.9", "containerd-28.5", "classic-28.5"} {
		specs = append(specs, throwaway.Spec{Name: name})
	}
	for _, tc := range []struct {
		specs            []throwaway.Spec
		from, to         string
		wantFrom, wantTo string
	}{
		{specs, "", "", "classic-28.5", "classic-28.5"},
		{specs, "podman-4.3", "", "podman-4.3", "podman-4.3"},
		{specs, "", "containerd-28.5", "classic-28.5", "containerd-28.5"},
		{specs[1:2], "", "", "podman-4.3", "podman-4.3"},
	} {
		from, to, err := Choose(tc.specs, tc.from, tc.to)
		if err != nil || from.Name != tc.wantFrom || to.Name != tc.wantTo {
			t.Errorf("%q, %q: %s, %s, %v", tc.from, tc.to, from.Name, to.Name, err)
		}
	}
	if _, _, err := Choose(specs, "", "classic-1"); err == nil || !strings.Contains(err.Error(), "podman-4.3") {
		t.Errorf("an unknown engine: %v", err)
	}
}

func TestScrub(t *testing.T) {
	got := Scrub([]string{"PATH=/bin", "DOCKER_HOST=tcp://x", "CONTAINER_HOST=y"}, "A=1")
	if strings.Join(got, " ") != "PATH=/bin A=1" {
		t.Errorf("%q", got)
	}
}

func TestTail(t *testing.T) {
	var b tail
	for range 1000 {
		b.Write([]byte("0123456789"))
	}
	b.Write([]byte("end"))
	if s := b.String(); len(s) != tailSize || !strings.HasSuffix(s, "789end") {
		t.Errorf("%d bytes, ending %q", len(s), s[len(s)-10:])
	}
}

// TestOpenInterrupted leaves nothing of a site that could not be set up.
func TestOpenInterrupted(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Open(ctx, "lab-test", 0); s != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", s, err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
