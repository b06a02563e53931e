package docker

import (
	"context"

	"github.com/opencontainers/go-digest"
)

// ReportTo has the sink tell how far the engine has loaded a layer. A classic store says
// so while it applies one; of the others it is known when a load has been answered.
func (s *Sink) ReportTo(report func(layer digest.Digest, part float64)) { s.report = report }

// reportLoaded reports the layers of a stage that has been loaded.
func (s *Sink) reportLoaded(st *stage) {
	for _, layer := range s.layersIn(st) {
		s.report(layer, 1)
	}
}

// layersIn returns the layers of a stage, those that it leaves out included.
func (s *Sink) layersIn(st *stage) []digest.Digest {
	var out []digest.Digest
	for _, i := range st.images {
		layers := s.offer.Images[i].DiffIDs()
		if st.depth > 0 {
			layers = layers[:st.depth]
		}
		out = append(out, layers...)
	}
	return out
}

// startLoad begins the load of a stage, and reports what the engine says of its layers.
func (s *Sink) startLoad(ctx context.Context, st *stage) *load {
	byShortID := map[string]digest.Digest{}
	for _, layer := range s.layersIn(st) {
		byShortID[layer.Encoded()[:12]] = layer
	}
	return s.e.startLoad(ctx, func(m message) {
		layer, known := byShortID[m.ID]
		if p := m.ProgressDetail; known && m.Status == "Loading layer" && p.Total > 0 {
			s.report(layer, float64(p.Current)/float64(p.Total))
		}
	})
}
