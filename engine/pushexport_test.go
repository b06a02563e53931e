package engine_test

import (
	"testing"

	"github.com/imgsend/imgsend/engine"
	"github.com/imgsend/imgsend/transfer"
)

// TestPushExport has containerd stores export by push: the ID stays, and no
// name is left.
func TestPushExport(t *testing.T) {
	for _, spec := range specs(t) {
		if !spec.Containerd {
			continue
		}
		t.Run(spec.Name, func(t *testing.T) {
			from, to := pool.get(t, spec, "sender"), pool.get(t, spec, "receiver")
			v1, v2 := versions("pushed " + spec.Name)
			load(t, from, v1, v2)
			for _, m := range []string{v1.Ref, v2.Ref} {
				src, err := engine.NewSource(t.Context(), open(t, from), []engine.Request{{Image: m}})
				if err != nil {
					t.Fatal(err)
				}
				var ran []string
				src.OnExport = func(_ *transfer.Image, exporter, why string) { ran = append(ran, exporter, why) }
				if _, err := transfer.Copy(t.Context(), src, engine.NewSink(t.Context(), open(t, to)), transfer.Options{}); err != nil {
					t.Fatal(err)
				}
				if len(ran) != 2 || ran[0] != "push" {
					t.Errorf("%s left by %q", m, ran)
				}
				if a, b := id(t, from, m), id(t, to, m); a != b {
					t.Errorf("%s was %s and arrived as %s", m, a, b)
				}
			}
			leftovers(t, from, to)
		})
	}
}
