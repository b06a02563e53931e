package transfer_test

import (
	"context"
	"slices"
	"testing"

	"github.com/imgsend/imgsend/transfer"
	"github.com/imgsend/imgsend/transfer/transfertest"
)

// TestTotal reads the counters before each blob and at the end. The total of exact sizes
// is constant, and an estimate is corrected once, at the end.
func TestTotal(t *testing.T) {
	type count struct{ done, total int64 }
	for name, test := range map[string]struct {
		exact bool
		size  int64 // offered, of a layer of 1000 bytes
		extra int64 // offered, besides the layers
		want  []count
	}{
		// Before the config twice, the layers twice each, and at the end. The config has 160 bytes.
		"exact":             {true, 1000, 160, []count{{0, 2000}, {0, 2000}, {0, 2000}, {1000, 2000}, {1000, 2000}, {2000, 2000}, {2000, 2000}}},
		"estimate":          {false, 700, 160, []count{{0, 1700}, {160, 1700}, {320, 1700}, {1320, 1700}, {2320, 1700}, {3320, 1700}, {4320, 4320}}},
		"several platforms": {true, 1000, 2 << 20, []count{{0, 2099152}, {160, 2099152}, {320, 2099152}, {1320, 2099152}, {2320, 2099152}, {3320, 2099152}, {4320, 4320}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := transfertest.NewImage("app:1", false, transfertest.Random(1, 1000), transfertest.Random(2, 1000))
			m.Layers[0].Size, m.Extra = test.size, test.extra
			for i := range m.Layers {
				m.Layers[i].Exact = test.exact
			}
			var p transfer.Progress
			var got []count
			note := func() { got = append(got, count{p.Done.Load(), p.Total.Load()}) }
			src := transfertest.NewSource(m)
			src.Twice = true
			src.OnBlob = func(context.Context, int) error { note(); return nil }
			if _, err := transfer.Copy(t.Context(), src, transfertest.NewSink(), transfer.Options{Progress: &p}); err != nil {
				t.Fatal(err)
			}
			note()
			if !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
