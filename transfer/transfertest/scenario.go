package transfertest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/opencontainers/go-digest"
)

// A Scenario is one good copy.
type Scenario struct {
	Name    string
	Images  []*Image
	Have    []*Image // whose layers are at the sink
	Whole   []*Image // that are at the sink
	Src     func(*Source)
	Dst     func(*Sink)
	Rounds  int
	Puts    int   // distinct blobs that must move; -1: any number
	Skipped int64 // -1: any number
}

// Scenarios are good copies of all kinds.
var Scenarios = sync.OnceValue(func() []Scenario {
	base, app, other := Text(1, 300_000), Text(2, 40_000), Random(3, 90_000)
	one := NewImage("app:1", false, base, app)
	two := NewImage("app:2", false, base, other)
	sizes := []int{0, 1, wire.MaxBlock - 1, wire.MaxBlock, wire.MaxBlock + 1, 3*wire.MaxBlock + 7}
	var bySize, randomBySize [][]byte
	for i, n := range sizes {
		bySize = append(bySize, Text(uint64(10+i), n))
		randomBySize = append(randomBySize, Random(uint64(20+i), n))
	}
	var many [][]byte
	for i := range 127 {
		many = append(many, fmt.Appendf(nil, "layer %d", i))
	}
	return []Scenario{
		{Name: "one image", Images: []*Image{one}, Rounds: 1, Puts: 3},
		{Name: "shared layer", Images: []*Image{one, two}, Rounds: 1, Puts: 5},
		{Name: "repeated layer", Images: []*Image{NewImage("r:1", false, app, base, app)}, Rounds: 1, Puts: 3},
		{Name: "empty layers", Images: []*Image{NewImage("e:1", false, nil, app, nil)}, Rounds: 1, Puts: 3},
		{Name: "no layers", Images: []*Image{NewImage("scratch:1", false)}, Rounds: 1, Puts: 1},
		{Name: "whole", Images: []*Image{one}, Whole: []*Image{one}, Rounds: 1, Puts: 0, Skipped: 340_000},
		{Name: "whole and new", Images: []*Image{one, two}, Whole: []*Image{one}, Rounds: 1, Puts: 2, Skipped: -1},
		{Name: "partly present", Images: []*Image{one}, Have: []*Image{NewImage("x:1", false, base)}, Rounds: 1, Puts: 2, Skipped: 300_000},
		{Name: "retry", Images: []*Image{one}, Have: []*Image{NewImage("x:1", false, base)}, Rounds: 2, Puts: -1,
			Dst: func(s *Sink) { s.Vanish = map[digest.Digest]bool{digest.FromBytes(base): true} }},
		{Name: "twice", Images: []*Image{one, two}, Rounds: 1, Puts: 5, Src: func(s *Source) { s.Twice = true }},
		{Name: "127 layers", Images: []*Image{NewImage("many:1", false, many...)}, Rounds: 1, Puts: 128},
		{Name: "sizes of text", Images: []*Image{NewImage("s:1", false, bySize...)}, Rounds: 1, Puts: 7},
		{Name: "sizes of noise", Images: []*Image{NewImage("s:2", false, randomBySize...)}, Rounds: 1, Puts: 7},
		{Name: "gzip", Images: []*Image{NewImage("g:1", true, base, other)}, Rounds: 1, Puts: 3},
		{Name: "same image twice", Images: []*Image{one, one}, Rounds: 1, Puts: 3},
	}
})

// Ends returns the source and the sink of the scenario.
func (s *Scenario) Ends() (*Source, *Sink) {
	src, dst := NewSource(s.Images...), NewSink(s.Have...)
	for _, m := range s.Whole {
		dst.Hold(m)
	}
	if s.Src != nil {
		s.Src(src)
	}
	if s.Dst != nil {
		s.Dst(dst)
	}
	return src, dst
}

// Check fails the test unless one side of a copy, which the other may share, did
// what the scenario says.
func (s *Scenario) Check(t testing.TB, side string, src *Source, dst *Sink, rep *transfer.Report, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", side, err)
	}
	if rep.Images != len(s.Images) || rep.DryRun {
		t.Errorf("%s: report of %d images, dry run %v", side, rep.Images, rep.DryRun)
	}
	if s.Skipped >= 0 && rep.Skipped != s.Skipped {
		t.Errorf("%s: %d bytes skipped, want %d", side, rep.Skipped, s.Skipped)
	}
	for _, m := range s.Images {
		if dst.Names[m.Refs[0]] != m.ID {
			t.Errorf("%s has no name", m.Refs[0])
		}
		for d, b := range m.Blobs {
			if got, ok := dst.Blobs[d]; !ok || !bytes.Equal(got, b) {
				t.Errorf("blob %s of %s is missing or another", d, m.Refs[0])
			}
		}
	}
	if dst.Rounds != s.Rounds {
		t.Errorf("%d rounds, want %d", dst.Rounds, s.Rounds)
	}
	if s.Puts >= 0 && dst.Puts != s.Puts {
		t.Errorf("%d blobs put, want %d", dst.Puts, s.Puts)
	}
	if src.Closed != 1 || dst.Closed != 1 || src.CloseErr != nil || dst.CloseErr != nil {
		t.Errorf("source closed %d times with %v, sink %d times with %v", src.Closed, src.CloseErr, dst.Closed, dst.CloseErr)
	}
}
