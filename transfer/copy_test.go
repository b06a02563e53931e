package transfer_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

const block = transfer.MaxBlock

// A scenario is one good copy.
type scenario struct {
	name    string
	images  []*memImage
	have    []*memImage // whose layers are at the sink
	whole   []*memImage // that are at the sink
	src     func(*memSource)
	dst     func(*memSink)
	rounds  int
	puts    int   // distinct blobs that must move; -1: any number
	skipped int64 // -1: any number
}

var scenarios = sync.OnceValue(func() []scenario {
	base, app, other := text(1, 300_000), text(2, 40_000), random(3, 90_000)
	one := newImage("app:1", false, base, app)
	two := newImage("app:2", false, base, other)
	sizes := []int{0, 1, block - 1, block, block + 1, 3*block + 7}
	var bySize, randomBySize [][]byte
	for i, n := range sizes {
		bySize = append(bySize, text(uint64(10+i), n))
		randomBySize = append(randomBySize, random(uint64(20+i), n))
	}
	var many [][]byte
	for i := range 127 {
		many = append(many, fmt.Appendf(nil, "layer %d", i))
	}
	return []scenario{
		{name: "one image", images: []*memImage{one}, rounds: 1, puts: 3},
		{name: "shared layer", images: []*memImage{one, two}, rounds: 1, puts: 5},
		{name: "repeated layer", images: []*memImage{newImage("r:1", false, app, base, app)}, rounds: 1, puts: 3},
		{name: "empty layers", images: []*memImage{newImage("e:1", false, nil, app, nil)}, rounds: 1, puts: 3},
		{name: "no layers", images: []*memImage{newImage("scratch:1", false)}, rounds: 1, puts: 1},
		{name: "whole", images: []*memImage{one}, whole: []*memImage{one}, rounds: 1, puts: 0, skipped: 340_000},
		{name: "whole and new", images: []*memImage{one, two}, whole: []*memImage{one}, rounds: 1, puts: 2, skipped: -1},
		{name: "partly present", images: []*memImage{one}, have: []*memImage{newImage("x:1", false, base)}, rounds: 1, puts: 2, skipped: 300_000},
		{name: "one a round", images: []*memImage{one, two, newImage("z:1", false, app)}, rounds: 3, puts: 6, skipped: -1,
			dst: func(s *memSink) { s.later = true }},
		{name: "retry", images: []*memImage{one}, have: []*memImage{newImage("x:1", false, base)}, rounds: 2, puts: -1,
			dst: func(s *memSink) { s.vanish = map[digest.Digest]bool{digest.FromBytes(base): true} }},
		{name: "twice", images: []*memImage{one, two}, rounds: 1, puts: 5, src: func(s *memSource) { s.twice = true }},
		{name: "127 layers", images: []*memImage{newImage("many:1", false, many...)}, rounds: 1, puts: 128},
		{name: "sizes of text", images: []*memImage{newImage("s:1", false, bySize...)}, rounds: 1, puts: 7},
		{name: "sizes of noise", images: []*memImage{newImage("s:2", false, randomBySize...)}, rounds: 1, puts: 7},
		{name: "gzip", images: []*memImage{newImage("g:1", true, base, other)}, rounds: 1, puts: 3},
		{name: "same image twice", images: []*memImage{one, one}, rounds: 1, puts: 3},
	}
})

func (s *scenario) ends() (*memSource, *memSink) {
	src, dst := newSource(s.images...), newSink(s.have...)
	for _, m := range s.whole {
		dst.hold(m)
	}
	if s.src != nil {
		s.src(src)
	}
	if s.dst != nil {
		s.dst(dst)
	}
	return src, dst
}

func (s *scenario) check(t *testing.T, side string, src *memSource, dst *memSink, rep *transfer.Report, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", side, err)
	}
	if rep.Images != len(s.images) || rep.DryRun {
		t.Errorf("%s: report of %d images, dry run %v", side, rep.Images, rep.DryRun)
	}
	if s.skipped >= 0 && rep.Skipped != s.skipped {
		t.Errorf("%s: %d bytes skipped, want %d", side, rep.Skipped, s.skipped)
	}
	for _, m := range s.images {
		if dst.names[m.Refs[0]] != m.ID {
			t.Errorf("%s has no name", m.Refs[0])
		}
		for d, b := range m.blobs {
			if got, ok := dst.blobs[d]; !ok || !bytes.Equal(got, b) {
				t.Errorf("blob %s of %s is missing or another", d, m.Refs[0])
			}
		}
	}
	if dst.rounds != s.rounds {
		t.Errorf("%d rounds, want %d", dst.rounds, s.rounds)
	}
	if s.puts >= 0 && dst.puts != s.puts {
		t.Errorf("%d blobs put, want %d", dst.puts, s.puts)
	}
	if src.closed != 1 || dst.closed != 1 || src.closeErr != nil || dst.closeErr != nil {
		t.Errorf("source closed %d times with %v, sink %d times with %v", src.closed, src.closeErr, dst.closed, dst.closeErr)
	}
}

func TestCopy(t *testing.T) {
	checkLeaks(t)
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			src, dst := s.ends()
			rep, err := transfer.Copy(t.Context(), src, dst, transfer.Options{})
			s.check(t, "copy", src, dst, rep, err)
		})
	}
}

func TestCopyOverStream(t *testing.T) {
	checkLeaks(t)
	for _, c := range []transfer.Compression{transfer.CompressAuto, transfer.CompressNone, transfer.CompressFast, transfer.CompressBest} {
		for _, s := range scenarios() {
			t.Run(string(c)+"/"+s.name, func(t *testing.T) {
				src, dst := s.ends()
				var sent, received []string
				r := transferRun{src: src, dst: dst, compression: c}
				r.sendOpts.Progress, r.recvOpts.Progress = new(transfer.Progress), new(transfer.Progress)
				r.sendOpts.OnArrival = func(m *transfer.Image, a transfer.Arrival, whole bool) {
					sent = append(sent, fmt.Sprint(m.Name(), a.New, whole))
				}
				r.recvOpts.OnArrival = func(m *transfer.Image, a transfer.Arrival, whole bool) {
					received = append(received, fmt.Sprint(m.Name(), a.New, whole))
				}
				r.do(t)
				s.check(t, "sender", src, dst, r.sendRep, r.sendErr)
				s.check(t, "receiver", src, dst, r.recvRep, r.recvErr)
				if *r.sendRep != *r.recvRep {
					t.Errorf("reports differ: %+v and %+v", r.sendRep, r.recvRep)
				}
				if !slices.Equal(sent, received) || len(sent) != len(s.images) {
					t.Errorf("arrivals differ: %q and %q", sent, received)
				}
				p, q := r.sendOpts.Progress, r.recvOpts.Progress
				if p.Done.Load() != p.Total.Load() || q.Done.Load() != q.Total.Load() {
					t.Errorf("progress %d of %d sent, %d of %d received", p.Done.Load(), p.Total.Load(), q.Done.Load(), q.Total.Load())
				}
				if p.Wire.Load() == 0 || p.Wire.Load() != q.Wire.Load() {
					t.Errorf("%d bytes on the wire at the sender, %d at the receiver", p.Wire.Load(), q.Wire.Load())
				}
			})
		}
	}
}

// Text must get smaller on the wire, what is compressed already must not be
// compressed again.
func TestWireBytes(t *testing.T) {
	plain := text(1, 2*block)
	for _, test := range []struct {
		name     string
		image    *memImage
		c        transfer.Compression
		min, max float64 // of the blobs' size
	}{
		{"none", newImage("a:1", false, plain), transfer.CompressNone, 1, 1.01},
		{"fast", newImage("a:1", false, plain), transfer.CompressFast, 0.1, 0.7},
		{"best", newImage("a:1", false, plain), transfer.CompressBest, 0.1, 0.6},
		{"best of noise", newImage("a:1", false, random(1, 2*block)), transfer.CompressBest, 1, 1.01},
		// Noise behind a gzip media type would betray compression the least:
		// text does.
		{"gzip", zippedByName(plain), transfer.CompressBest, 1, 1.01},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := new(transfer.Progress)
			r := transferRun{src: newSource(test.image), dst: newSink(), compression: test.c, sendOpts: transfer.Options{Progress: p}}
			r.do(t)
			if r.sendErr != nil || r.recvErr != nil {
				t.Fatal(r.sendErr, r.recvErr)
			}
			if ratio := float64(p.Wire.Load()) / float64(p.Done.Load()); ratio < test.min || ratio > test.max {
				t.Errorf("%.3f bytes on the wire for each of the blobs, want %v to %v", ratio, test.min, test.max)
			}
		})
	}
}

// zippedByName returns an image with one text layer that claims to be gzip.
func zippedByName(layer []byte) *memImage {
	m := newImage("a:1", false, layer)
	m.index.Layers[0].MediaType = "application/vnd.oci.image.layer.v1.tar+gzip"
	return m
}

func TestDryRun(t *testing.T) {
	checkLeaks(t)
	for _, side := range []string{"sender", "receiver"} {
		t.Run(side, func(t *testing.T) {
			src, dst := newSource(newImage("a:1", false, text(1, 5*block))), newSink()
			plans := 0
			r := transferRun{src: src, dst: dst}
			o := &r.sendOpts
			if side == "receiver" {
				o = &r.recvOpts
			}
			o.DryRun = true
			o.OnPlan = func(*transfer.Offer, *transfer.Plan) { plans++ }
			r.do(t)
			if r.sendErr != nil || r.recvErr != nil {
				t.Fatal(r.sendErr, r.recvErr)
			}
			if !r.sendRep.DryRun || !r.recvRep.DryRun || plans != 1 {
				t.Errorf("reports %+v and %+v after %d plans", r.sendRep, r.recvRep, plans)
			}
			if src.exported != 0 || dst.puts != 0 || len(dst.names) != 0 {
				t.Errorf("%d exports, %d blobs, %d names", src.exported, dst.puts, len(dst.names))
			}
		})
	}
}

// The source must hear of a retry, and export everything then.
func TestRetryIsFull(t *testing.T) {
	base, app := text(1, 1000), text(2, 1000)
	m := newImage("a:1", false, base, app)
	src, dst := newSource(m), newSink(newImage("x:1", false, base))
	dst.vanish = map[digest.Digest]bool{digest.FromBytes(base): true}
	var reasons []string
	r := transferRun{src: src, dst: dst}
	r.sendOpts.OnRetry = func(reason string) { reasons = append(reasons, reason) }
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Fatal(r.sendErr, r.recvErr)
	}
	want := []digest.Digest{m.ID, digest.FromBytes(app), m.ID, digest.FromBytes(base), digest.FromBytes(app)}
	if !slices.Equal(src.puts, want) {
		t.Errorf("put %v, want %v", src.puts, want)
	}
	if len(reasons) != 1 {
		t.Errorf("told of %d retries: %q", len(reasons), reasons)
	}
}

func TestUnneeded(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	layers := []transfer.Layer{{DiffID: a, Digest: a}, {DiffID: b, Digest: b}}
	o := &transfer.Offer{Images: []transfer.Image{{Layers: layers}, {Layers: layers}, {Layers: layers}}}
	p := &transfer.Plan{Images: []transfer.ImagePlan{
		{Status: transfer.Take, Have: []bool{true, true}},
		{Status: transfer.Take, Have: []bool{true, false}},
		{Status: transfer.Later},
	}}
	if got, want := transfer.Unneeded(o, p), map[digest.Digest]bool{a: true}; !maps.Equal(got, want) {
		t.Errorf("unneeded %v, want %v", got, want)
	}
}
