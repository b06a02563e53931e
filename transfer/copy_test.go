package transfer_test

import (
	"maps"
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
