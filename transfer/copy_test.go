package transfer_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCopy(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, s := range transfertest.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			src, dst := s.Ends()
			rep, err := transfer.Copy(t.Context(), src, dst, transfer.Options{})
			s.Check(t, "copy", src, dst, rep, err)
		})
	}
}

func TestUnneeded(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	layers := []transfer.Layer{{DiffID: a, Digest: a}, {DiffID: b, Digest: b}}
	o := &transfer.Offer{Images: []transfer.Image{{Layers: layers}, {Layers: layers}, {Layers: layers}}}
	p := &transfer.Plan{Images: []transfer.ImagePlan{
		{Status: transfer.Take, Have: []bool{true, true}},
		{Status: transfer.Take, Have: []bool{true, false}},
		{Status: transfer.Whole},
	}}
	if got, want := transfer.Unneeded(o, p), map[digest.Digest]bool{a: true}; !maps.Equal(got, want) {
		t.Errorf("unneeded %v, want %v", got, want)
	}
}

// A swapper is a source that always makes a second offer, and may change it.
type swapper struct {
	*transfertest.Source
	again  []*transfertest.Image
	rounds int
	swap   func(*transfer.Offer)
}

func (s *swapper) Next(ctx context.Context) (*transfer.Offer, error) {
	o, err := s.Source.Next(ctx)
	if s.rounds++; s.rounds == 2 {
		o, err = &transfer.Offer{Full: true}, nil
		for _, m := range s.again {
			o.Images = append(o.Images, m.Image)
		}
		s.swap(o)
	}
	return o, err
}

// TestOtherOffer has a second offer that is not the first one once more, the only one
// that is accepted.
func TestOtherOffer(t *testing.T) {
	const other = "the offer is not repeated as it was"
	for name, test := range map[string]struct {
		vanish bool // the first round is to be repeated
		swap   func(*transfer.Offer)
		text   string
	}{
		"after all":    {false, func(*transfer.Offer) {}, "a:1 is offered after everything has arrived"},
		"as before":    {true, func(*transfer.Offer) {}, ""},
		"other name":   {true, func(o *transfer.Offer) { o.Images[0].Refs = []string{"c:1"} }, other},
		"another name": {true, func(o *transfer.Offer) { o.Images[0].Refs = []string{"a:1", "c:1"} }, other},
		"other image":  {true, func(o *transfer.Offer) { o.Images[0].ID = digest.FromString("c") }, other},
		"one less":     {true, func(o *transfer.Offer) { o.Images = o.Images[:1] }, other},
		"not full":     {true, func(o *transfer.Offer) { o.Full = false }, other},
	} {
		t.Run(name, func(t *testing.T) {
			base := transfertest.Random(1, 100)
			images := []*transfertest.Image{transfertest.NewImage("a:1", false, base), transfertest.NewImage("b:1", false, base)}
			src := &swapper{Source: transfertest.NewSource(images...), again: images, swap: test.swap}
			dst := transfertest.NewSink(transfertest.NewImage("x:1", false, base))
			if test.vanish {
				dst.Vanish = map[digest.Digest]bool{digest.FromBytes(base): true}
			}
			accepted := 0
			_, err := transfer.Copy(t.Context(), src, dst, transfer.Options{Accept: func(context.Context, *transfer.Offer) error { accepted++; return nil }})
			switch {
			case accepted != 1:
				t.Errorf("asked %d times", accepted)
			case test.text == "" && err != nil, test.text != "" && (transfer.KindOf(err) != transfer.KindBroken || !strings.Contains(err.Error(), test.text)):
				t.Errorf("%v, want %q", err, test.text)
			case dst.Names["c:1"] != "":
				t.Error("c:1 has a name")
			}
		})
	}
}
