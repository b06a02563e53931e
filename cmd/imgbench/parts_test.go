package main

import (
	"bufio"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway"
)

func TestMakeImages(t *testing.T) {
	for _, tc := range []struct{ size, newLayer int64 }{{600_000_000, 20_000_000}, {6_000_000_000, 20_000_000}, {5_000_000, 500_000}} {
		base, next := makeImages(tc.size)
		if got := base.Size(); got < tc.size || got > tc.size*106/100 {
			t.Errorf("image of %d has %d bytes", tc.size, got)
		}
		top := next.Layers[len(next.Layers)-1]
		if len(next.Layers) != len(base.Layers)+1 || top.Size != tc.newLayer {
			t.Errorf("next version of %d has layers %v", tc.size, next.Layers)
		}
		if base.Ref == next.Ref {
			t.Errorf("both versions are called %s", base.Ref)
		}
	}
}

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
		from, to, err := choose(tc.specs, tc.from, tc.to)
		if err != nil || from.Name != tc.wantFrom || to.Name != tc.wantTo {
			t.Errorf("%q, %q: %s, %s, %v", tc.from, tc.to, from.Name, to.Name, err)
		}
	}
	if _, _, err := choose(specs, "", "classic-1"); err == nil || !strings.Contains(err.Error(), "podman-4.3") {
		t.Errorf("an unknown engine: %v", err)
	}
}

func TestQuote(t *testing.T) {
	words := stage{"printf", "%s|", "a b", "it's", "$HOME", `\`, ""}
	out, err := exec.Command("sh", "-c", quote(words)).Output()
	if want := `a b|it's|$HOME|\||`; string(out) != want || err != nil {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
}

func TestScrub(t *testing.T) {
	got := scrub([]string{"PATH=/bin", "DOCKER_HOST=tcp://x", "CONTAINER_HOST=y"}, "A=1")
	if strings.Join(got, " ") != "PATH=/bin A=1" {
		t.Errorf("%q", got)
	}
}

func TestAPIUsage(t *testing.T) {
	for _, bad := range []string{"", "save", "save sock", "load sock image", "tag sock image", "push sock", "pull sock a b", "rm sock image"} {
		if err := runAPI(t.Context(), strings.Fields(bad)); err == nil || !strings.HasPrefix(err.Error(), "usage") {
			t.Errorf("%q: %v", bad, err)
		}
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

func TestPipeline(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("pipes are counted on linux only")
	}
	sh := func(script string) stage { return stage{"sh", "-c", script} }
	for _, counted := range []int{0, 1} {
		_, n, err := runPipeline(t.Context(), os.Environ(), []stage{sh("head -c 3000000 /dev/zero"), {"cat"}, sh("[ $(wc -c) = 3000000 ]")}, counted)
		if n != 3_000_000 || err != nil {
			t.Errorf("counted %d bytes after stage %d: %v", n, counted, err)
		}
	}
	took, n, err := runPipeline(t.Context(), nil, []stage{sh("echo x"), sh("sleep 0.2; cat")}, -1)
	if took < 200*time.Millisecond || n != 0 || err != nil {
		t.Errorf("%v, %d, %v", took, n, err)
	}
}

// Whichever part of a pipeline fails, it ends, and says why.
func TestPipelineFails(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("pipes are counted on linux only")
	}
	endless, full := stage{"sh", "-c", "exec cat /dev/zero"}, stage{"sh", "-c", "echo disk full >&2; exit 3"}
	sink := stage{"sh", "-c", "exec cat >/dev/null"}
	for name, stages := range map[string][]stage{
		"disk full":       {endless, {"cat"}, full},
		"exit status 3":   {full, {"cat"}, sink},
		"start missing":   {endless, {"/nowhere/missing"}, sink},
		"start missing: ": {endless, sink, {"/nowhere/missing"}},
	} {
		for counted := -1; counted < 2; counted++ {
			if _, _, err := runPipeline(t.Context(), os.Environ(), stages, counted); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
				t.Errorf("error %v does not say %q", err, name)
			}
		}
	}
}
