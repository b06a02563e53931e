package main

import (
	"slices"

	"github.com/imgsend/imgsend/engine/throwaway"
)

const (
	newLayerSize = 20_000_000
	fileSize     = 28_000 // on average, as in a Debian system
)

// makeImages returns an image of about size bytes and its next version, which
// has one layer more. They are as a web application: a base system and packages,
// which compress as text and programs do, the application, which does not, and
// a page. An image of less than 200 MB also has a smaller new layer.
func makeImages(size int64) (base, next throwaway.Image) {
	layer := func(seed uint64, kind throwaway.LayerKind, size int64) throwaway.Layer {
		return throwaway.Layer{Seed: seed, Kind: kind, Size: size, Files: int(max(1, size/fileSize))}
	}
	part := func(mb int64) int64 { return int64(float64(size) * float64(mb) / (170 + 272 + 150)) }
	base = throwaway.Image{Ref: "webapp:1.0", Cmd: []string{"/bin/webapp"}, Layers: []throwaway.Layer{
		layer(1, throwaway.Text, part(170)),
		layer(2, throwaway.Text, part(272)),
		layer(3, throwaway.Random, part(150)),
		layer(4, throwaway.Text, 2500),
	}}
	next = base
	next.Ref = "webapp:2.0"
	next.Layers = slices.Concat(base.Layers, []throwaway.Layer{layer(5, throwaway.Random, min(newLayerSize, size/10))})
	return base, next
}
