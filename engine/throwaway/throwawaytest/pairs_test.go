package throwawaytest_test

import (
	"testing"

	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
)

func TestPairs(t *testing.T) {
	senders := []string{"classic-1", "podman-1", "classic-2", "containerd-2", "classic-3", "containerd-3", "podman-2"}
	receivers := append([]string{"file"}, senders...)
	pairs := throwawaytest.Pairs(senders, receivers, throwawaytest.Family)
	type meeting struct{ sender, receiver string }
	met := map[meeting]int{}
	for _, p := range pairs {
		met[meeting{p[0], p[1]}]++
		met[meeting{p[0], throwawaytest.Family(p[1])}]++
		met[meeting{throwawaytest.Family(p[0]), p[1]}]++
		if p[0] == p[1] {
			t.Errorf("%s meets itself", p[0])
		}
	}
	for _, s := range senders {
		for _, r := range receivers {
			if n := met[meeting{s, r}]; n > 1 && r != "file" {
				t.Errorf("%s meets %s %d times", s, r, n)
			}
			if met[meeting{s, throwawaytest.Family(r)}] == 0 {
				t.Errorf("%s meets nobody of the family of %s", s, r)
			}
			if met[meeting{throwawaytest.Family(s), r}] == 0 {
				t.Errorf("nobody of the family of %s meets %s", s, r)
			}
		}
	}
	if len(pairs) >= len(senders)*len(receivers)*2/3 {
		t.Errorf("%d pairs of %d by %d", len(pairs), len(senders), len(receivers))
	}
	if alone := throwawaytest.Pairs([]string{"a"}, []string{"a"}, throwawaytest.Family); len(alone) != 1 {
		t.Errorf("one that is alone: %v", alone)
	}
}

func TestFew(t *testing.T) {
	all := []string{"classic-1", "podman-1", "classic-2", "containerd-2", "classic-3", "containerd-3", "podman-2", "classic-4"}
	pairs := throwawaytest.Few(all, all, throwawaytest.Family)
	met := map[string]bool{}
	for _, p := range pairs {
		met["from "+p[0]], met["to "+p[1]] = true, true
		met[throwawaytest.Family(p[0])+" "+throwawaytest.Family(p[1])] = true
	}
	for _, a := range all {
		if !met["from "+a] || !met["to "+a] {
			t.Errorf("%s does not send and receive: %v", a, pairs)
		}
		for _, b := range all {
			if !met[throwawaytest.Family(a)+" "+throwawaytest.Family(b)] {
				t.Errorf("no %s meets any %s", a, b)
			}
		}
	}
	if most := len(throwawaytest.Pairs(all, all, throwawaytest.Family)) / 2; len(pairs) > most {
		t.Errorf("%d pairs, more than %d", len(pairs), most)
	}
}
