package docker_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// A heard sink notes whether it reports layers that are loaded in part.
type heard struct {
	*docker.Sink
	mu    sync.Mutex
	parts int
}

func (h *heard) ReportTo(report func(digest.Digest, float64)) {
	h.Sink.ReportTo(func(layer digest.Digest, part float64) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if part < 1 {
			h.parts++
		}
		report(layer, part)
	})
}

// TestLoaded has each kind of engine load an image: when it has arrived, every layer has
// been reported that the engine did not have. A classic store reports how far it is
// with a layer, too.
func TestLoaded(t *testing.T) {
	for _, spec := range newest(t) {
		t.Run(spec.Name, func(t *testing.T) {
			to := start(t, spec)
			defer func() { _ = to.Stop() }()
			from := ordered(t)
			base := large("loaded")
			m := large("loading")
			m.Layers = append(base.Layers[:1:1], m.Layers...)
			base.Layers = base.Layers[:1]
			load(t, from, base, m)
			copyImages(t, from, to, base.Ref)
			src, err := docker.NewSource(t.Context(), open(t, from), []store.Request{{Image: m.Ref}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			sink := &heard{Sink: docker.NewSink(open(t, to))}
			var p transfer.Progress
			var plan transfer.Loaded
			var arrivals []transfer.Arrival
			_, err = transfer.Copy(t.Context(), src, sink, transfer.Options{Progress: &p,
				OnPlan: func(o *transfer.Offer, _ *transfer.Plan) {
					for _, l := range o.Images[0].Layers[1:] {
						plan.Layers, plan.Bytes = plan.Layers+1, plan.Bytes+l.Size
					}
				},
				OnArrival: func(_ *transfer.Image, a transfer.Arrival, _ bool) {
					arrivals = append(arrivals, a)
					plan.Of, plan.Total = plan.Layers, plan.Bytes
					if got := p.Loaded(); got != plan {
						t.Errorf("it reported %+v, not %+v", got, plan)
					}
				}})
			if err != nil {
				t.Fatal(err)
			}
			check(t, to, m, arrivals)
			if classic := strings.HasPrefix(spec.Name, "classic"); classic && sink.parts == 0 {
				t.Error("no layer was reported in part")
			}
			leftovers(t, to)
		})
	}
}
