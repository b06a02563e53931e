package transfer

import (
	"sync"

	"github.com/opencontainers/go-digest"
)

// Loaded is how far a sink has loaded the layers that it did not have. Bytes and Total
// are estimates where the sizes in the offer are.
type Loaded struct {
	Layers int   `json:"layers"`
	Of     int   `json:"of"`
	Bytes  int64 `json:"bytes"`
	Total  int64 `json:"total"`
}

// A Loader is a [Sink] that tells how far it has loaded a layer.
type Loader interface {
	// ReportTo is called before the first Plan. The sink then calls report, from any
	// goroutine, with the DiffID of a layer and the part of it that is loaded: 1 for a
	// layer that is complete. It may do so for layers that it had, and several times for
	// the same layer.
	ReportTo(report func(layer digest.Digest, part float64))
}

// A loadCount adds up what the sink of one copy reports.
type loadCount struct {
	prog *Progress

	mu    sync.Mutex
	sizes map[digest.Digest]int64 // of the layers that the sink lacks, by DiffID
	parts map[digest.Digest]float64
	now   Loaded
}

// begin begins the count of a round. reports is whether the sink reports.
func (c *loadCount) begin(o *Offer, p *Plan, reports bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.sizes, c.parts = Loaded{}, map[digest.Digest]int64{}, map[digest.Digest]float64{}
	for i, ip := range p.Images {
		if ip.Status != Take {
			continue
		}
		for j, l := range o.Images[i].Layers {
			if _, known := c.sizes[l.DiffID]; !known && !ip.Have[j] {
				c.sizes[l.DiffID] = l.Size
				c.now.Total += l.Size
			}
		}
	}
	if reports {
		c.now.Of = len(c.sizes)
	}
	c.prog.beginLoad(c.now)
}

// report counts a part of a layer.
func (c *loadCount) report(layer digest.Digest, part float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size, lacking := c.sizes[layer]
	before := c.parts[layer]
	part = min(part, 1)
	if !lacking || part <= before {
		return
	}
	c.parts[layer] = part
	c.now.Bytes += bytesOf(part, size) - bytesOf(before, size)
	if part == 1 {
		c.now.Layers++
	}
	c.prog.SetLoaded(c.now.Layers, c.now.Of, c.now.Bytes)
}

func bytesOf(part float64, size int64) int64 {
	if part == 1 {
		return size // a float64 has no room for each int64
	}
	return int64(part * float64(size))
}
