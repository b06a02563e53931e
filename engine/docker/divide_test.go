package docker

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// chain returns an image of layers of these sizes in MiB, whose digests are those of
// its name and place; "x:40" is a layer of another name.
func chain(name string, layers ...string) transfer.Image {
	m := transfer.Image{ID: digest.FromString(name)}
	for j, l := range layers {
		from, size, ok := strings.Cut(l, ":")
		if !ok {
			from, size = name, l
		}
		var n int64
		_, _ = fmt.Sscan(size, &n)
		d := digest.FromString(fmt.Sprint(from, j))
		m.Layers = append(m.Layers, transfer.Layer{DiffID: d, Digest: d, Size: n << 20})
	}
	return m
}

// TestDivide divides images into loads.
func TestDivide(t *testing.T) {
	unknown := chain("u", "40", "40", "40")
	unknown.Layers[1].Digest = ""
	other := chain("o", "a:40", "a:40", "40")
	other.Layers[0].Digest = digest.FromString("compressed otherwise")
	for _, test := range []struct {
		name   string
		images []transfer.Image
		have   map[int]string // of the image at this place, "+" for each layer that is here
		key    store.Key
		want   string // place/depth+layers of each prefix
	}{
		{"small", []transfer.Image{chain("a", "1", "1")}, nil, store.ByChain, ""},
		{"one layer", []transfer.Image{chain("a", "600")}, nil, store.ByChain, ""},
		{"no layers", []transfer.Image{chain("a")}, nil, store.ByChain, ""},
		{"small ones together", []transfer.Image{chain("a", slices.Repeat([]string{"1"}, 60)...)}, nil, store.ByChain, ""},
		{"two runs", []transfer.Image{chain("a", slices.Repeat([]string{"1"}, 64)...)}, nil, store.ByChain, "0/32+32"},
		{"many", []transfer.Image{chain("a", slices.Repeat([]string{"10"}, 64)...)}, nil, store.ByChain, "0/8+8 0/16+8 0/24+8 0/32+8 0/40+8 0/48+8 0/56+8"},
		{"tail", []transfer.Image{chain("a", "176", "282", "156", "0")}, nil, store.ByChain, "0/1+1 0/2+1"},
		{"some here", []transfer.Image{chain("a", "100", "100", "100", "100")}, map[int]string{0: "++--"}, store.ByChain, "0/3+1"},
		{"a hole", []transfer.Image{chain("a", "100", "100", "100")}, map[int]string{0: "-+-"}, store.ByChain, "0/1+1"},
		{"common", []transfer.Image{chain("a", "40", "40", "40"), chain("b", "a:40", "a:40", "a:40", "40")}, nil, store.ByChain, "0/1+1 0/2+1 1/3+1"},
		{"same", []transfer.Image{chain("a", "40", "40"), chain("a", "40", "40")}, nil, store.ByChain, "0/1+1"},
		{"another below", []transfer.Image{chain("a", "40", "40"), chain("b", "40", "a:40", "40")}, nil, store.ByChain, "0/1+1 1/1+1 1/2+1"},
		{"another below, by blob", []transfer.Image{chain("a", "40", "40"), chain("b", "40", "a:40", "40")}, nil, store.ByBlob, "0/1+1 1/1+1 1/2+1"},
		{"once more, by blob", []transfer.Image{chain("a", "40", "40", "40"), chain("b", "40", "a:40", "40")}, nil, store.ByBlob, "0/1+1 0/2+1 1/1+1"},
		{"once more, by chain", []transfer.Image{chain("a", "40", "40", "40"), chain("b", "40", "a:40", "40")}, nil, store.ByChain, "0/1+1 0/2+1 1/1+1 1/2+1"},
		{"not known", []transfer.Image{unknown}, nil, store.ByChain, "0/1+1"},
		{"other blob", []transfer.Image{chain("a", "40", "40", "40"), other}, nil, store.ByChain, "0/1+1 0/2+1 1/1+1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &staging{key: test.key}
			loaded := map[part]bool{}
			for i := range test.images {
				have := make([]bool, len(test.images[i].Layers))
				for j, c := range test.have[i] {
					have[j] = c == '+'
				}
				s.divide(i, &test.images[i], have, loaded)
			}
			var got []string
			for _, st := range s.prefixes {
				got = append(got, fmt.Sprintf("%d/%d+%d", st.images[0], st.depth, len(st.await)))
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %q, want %q", strings.Join(got, " "), test.want)
			}
		})
	}
}
