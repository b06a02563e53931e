package wire_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/imgsend/imgsend/transfer/wire"
	"github.com/opencontainers/go-digest"
)

func TestCopyOverStream(t *testing.T) {
	checkLeaks(t)
	for _, c := range []wire.Compression{wire.CompressAuto, wire.CompressNone, wire.CompressFast, wire.CompressBest} {
		for _, s := range transfertest.Scenarios() {
			t.Run(string(c)+"/"+s.Name, func(t *testing.T) {
				src, dst := s.Ends()
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
				s.Check(t, "sender", src, dst, r.sendRep, r.sendErr)
				s.Check(t, "receiver", src, dst, r.recvRep, r.recvErr)
				if *r.sendRep != *r.recvRep {
					t.Errorf("reports differ: %+v and %+v", r.sendRep, r.recvRep)
				}
				if !slices.Equal(sent, received) || len(sent) != len(s.Images) {
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
		c        wire.Compression
		min, max float64 // of the blobs' size
	}{
		{"none", newImage("a:1", false, plain), wire.CompressNone, 1, 1.01},
		{"fast", newImage("a:1", false, plain), wire.CompressFast, 0.1, 0.7},
		{"best", newImage("a:1", false, plain), wire.CompressBest, 0.1, 0.6},
		{"best of noise", newImage("a:1", false, random(1, 2*block)), wire.CompressBest, 1, 1.01},
		// Noise behind a gzip media type would betray compression the least:
		// text does.
		{"gzip", zippedByName(plain), wire.CompressBest, 1, 1.01},
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
	m.Index.Layers[0].MediaType = "application/vnd.oci.image.layer.v1.tar+gzip"
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
			if src.Exported != 0 || dst.Puts != 0 || len(dst.Names) != 0 {
				t.Errorf("%d exports, %d blobs, %d names", src.Exported, dst.Puts, len(dst.Names))
			}
		})
	}
}

// The source must hear of a retry, and export everything then.
func TestRetryIsFull(t *testing.T) {
	base, app := text(1, 1000), text(2, 1000)
	m := newImage("a:1", false, base, app)
	src, dst := newSource(m), newSink(newImage("x:1", false, base))
	dst.Vanish = map[digest.Digest]bool{digest.FromBytes(base): true}
	var reasons []string
	r := transferRun{src: src, dst: dst}
	r.sendOpts.OnRetry = func(reason string) { reasons = append(reasons, reason) }
	r.do(t)
	if r.sendErr != nil || r.recvErr != nil {
		t.Fatal(r.sendErr, r.recvErr)
	}
	want := []digest.Digest{m.ID, digest.FromBytes(app), m.ID, digest.FromBytes(base), digest.FromBytes(app)}
	if !slices.Equal(src.Puts, want) {
		t.Errorf("put %v, want %v", src.Puts, want)
	}
	if len(reasons) != 1 {
		t.Errorf("told of %d retries: %q", len(reasons), reasons)
	}
}
