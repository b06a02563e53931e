package transfer_test

import (
	"context"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/opencontainers/go-digest"
)

// A telling sink reports how far it has loaded.
type telling struct {
	*transfertest.Sink
	report func(digest.Digest, float64)
}

func (s *telling) ReportTo(report func(digest.Digest, float64)) { s.report = report }

// TestLoaded counts the layers that a sink loads: those that it did not have, each once,
// never backwards and never more than there are, and anew in another round.
func TestLoaded(t *testing.T) {
	base, a, b := transfertest.Random(1, 5000), transfertest.Random(2, 1000), transfertest.Random(3, 300)
	one, two := transfertest.NewImage("app:1", false, base, a), transfertest.NewImage("app:2", false, base, a, b)
	dst := &telling{Sink: transfertest.NewSink(transfertest.NewImage("base:1", false, base))}
	var p transfer.Progress
	check := func(want transfer.Loaded) {
		t.Helper()
		if got := p.Loaded(); got != want {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
	dst.OnLoad = func(context.Context) error {
		all := int64(1300)
		layers := two.DiffIDs()
		if dst.Rounds == 2 { // of base, too, which has gone
			all += 5000
			check(transfer.Loaded{Of: 3, Total: all})
			for _, l := range layers {
				dst.report(l, 1)
			}
			check(transfer.Loaded{Layers: 3, Of: 3, Bytes: all, Total: all})
			return nil
		}
		check(transfer.Loaded{Of: 2, Total: all})
		dst.report(layers[0], 1) // which was there
		check(transfer.Loaded{Of: 2, Total: all})
		dst.report(layers[1], 0.5)
		check(transfer.Loaded{Of: 2, Bytes: 500, Total: all})
		dst.report(layers[1], 0.2)
		check(transfer.Loaded{Of: 2, Bytes: 500, Total: all})
		dst.report(layers[2], 1)
		dst.report(layers[2], 1)
		check(transfer.Loaded{Layers: 1, Of: 2, Bytes: 800, Total: all})
		dst.report(layers[1], 7)
		check(transfer.Loaded{Layers: 2, Of: 2, Bytes: all, Total: all})
		return nil
	}
	dst.Vanish = map[digest.Digest]bool{two.Layers[0].Digest: true}
	if _, err := transfer.Copy(t.Context(), transfertest.NewSource(one, two), dst, transfer.Options{Progress: &p}); err != nil {
		t.Fatal(err)
	}
	if dst.Rounds != 2 {
		t.Errorf("%d rounds", dst.Rounds)
	}
}

// TestSetLoaded has the other side say that it has loaded more than there is, or less
// than before.
func TestSetLoaded(t *testing.T) {
	m := transfertest.NewImage("app:1", false, transfertest.Random(1, 1000), transfertest.Random(2, 1000))
	dst := transfertest.NewSink()
	var p transfer.Progress
	dst.OnLoad = func(context.Context) error {
		for _, step := range []struct {
			layers, of int
			bytes      int64
			want       transfer.Loaded
		}{
			{0, 0, 0, transfer.Loaded{Total: 2000}},
			{1, 2, 700, transfer.Loaded{Layers: 1, Of: 2, Bytes: 700, Total: 2000}},
			{0, 1, 600, transfer.Loaded{Layers: 1, Of: 2, Bytes: 700, Total: 2000}},
			{3, 2, 2001, transfer.Loaded{Layers: 2, Of: 2, Bytes: 2000, Total: 2000}},
		} {
			p.SetLoaded(step.layers, step.of, step.bytes)
			if got := p.Loaded(); got != step.want {
				t.Errorf("%+v, not %+v", got, step.want)
			}
		}
		return nil
	}
	if _, err := transfer.Copy(t.Context(), transfertest.NewSource(m), dst, transfer.Options{Progress: &p}); err != nil {
		t.Fatal(err)
	}
}
