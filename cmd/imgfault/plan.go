package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// A plan is what a round does. It depends on the options and the number of the round
// alone.
type plan struct {
	number   int
	fault    *fault
	from, to string // engines
	image    throwaway.Image
	// container says that a container of the image is sent.
	container bool

	// when is the moment of the fault: a share of the image's bytes on the link.
	when float64
	// after is the time from then to the fault, while the receiver loads the last bytes.
	after time.Duration
	// lasts is how long the fault lasts.
	lasts time.Duration
	// room is how much of the image a disk still takes before it is full.
	room int64
}

// Longest times of faults other than a cut of the link.
const (
	longestPause = 15 * time.Second
	longestDown  = 2 * time.Second // an engine, before it is started again
)

const (
	// nearlyAll is a share of the bytes that surely cross the link.
	nearlyAll = 0.97
	// loadRate is how fast an engine loads, about, in bytes a second.
	loadRate = 100e6
	// commitTime is how long imgsend takes, about, until it has committed a container.
	commitTime = 500 * time.Millisecond
)

// planRound plans a round. Each fault comes once before any comes again.
func planRound(o options, number int) plan {
	random := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(o.seed, stream)) } //nolint:gosec // repeatable on purpose
	faults := slices.Clone(o.faults)
	cycle, place := (number-1)/len(faults), (number-1)%len(faults)
	random(uint64(cycle)<<32).Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })

	r := random(uint64(number))
	p := plan{number: number, fault: findFault(faults[place])}
	p.from, p.to = o.engines[r.IntN(len(o.engines))], o.engines[r.IntN(len(o.engines))]
	switch x := r.Float64(); {
	case p.fault.early, x < 0.1 && !p.fault.onLink:
		p.when = 0
	case x < 0.75:
		p.when = 0.02 + (nearlyAll-0.02)*r.Float64()
	default:
		p.when = nearlyAll
		p.after = time.Duration(r.Float64() * float64(o.size) / loadRate * float64(time.Second))
	}
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(r.Float64()*float64(most-least))
	}
	switch {
	case p.fault.onLink && p.fault.timed:
		p.lasts = between(shortestCut, o.longest)
	case p.fault.timed:
		p.lasts = between(time.Second, longestPause)
	default:
		p.lasts = between(0, longestDown)
	}
	p.room = int64(r.Float64() * float64(o.size))
	p.image = makeImage(o, number)
	if sleeper, err := throwaway.Sleeper(); err == nil && r.IntN(4) == 0 {
		p.container = true
		p.image.Layers = append(p.image.Layers, sleeper)
		if r.IntN(2) == 0 && !p.fault.onLink {
			p.when, p.after = 0, time.Duration(r.Float64()*float64(commitTime))
		}
	}
	return p
}

// makeImage returns an image whose layers no other round has. They do not compress,
// so that their bytes on the link are known. The two large layers of the default size
// are loaded in a stage each.
func makeImage(o options, round int) throwaway.Image {
	img := throwaway.Image{Ref: fmt.Sprintf("fault:%d", round), Cmd: []string{"/sleep"}}
	for i, percent := range []int64{45, 45, 10} {
		size := o.size * percent / 100
		img.Layers = append(img.Layers, throwaway.Layer{Seed: o.seed<<32 + uint64(round*8+i), Size: size, Files: int(1 + size/100_000)})
	}
	return img
}
