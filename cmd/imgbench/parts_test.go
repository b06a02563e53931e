package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
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

func TestQuote(t *testing.T) {
	words := stage{"printf", "%s|", "a b", "it's", "$HOME", `\`, ""}
	out, err := exec.Command("sh", "-c", quote(words)).Output()
	if want := `a b|it's|$HOME|\||`; string(out) != want || err != nil {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
}

func TestAPIUsage(t *testing.T) {
	for _, bad := range []string{"", "save", "save sock", "load sock image", "tag sock image", "push sock", "pull sock a b", "rm sock image"} {
		if err := runAPI(t.Context(), strings.Fields(bad)); err == nil || !strings.HasPrefix(err.Error(), "usage") {
			t.Errorf("%q: %v", bad, err)
		}
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
