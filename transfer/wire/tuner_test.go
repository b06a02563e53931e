package wire

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A route is what a simulated transfer runs over. Rates are in MB/s.
type route struct {
	source   float64 // of the exporting engine
	link     float64 // on the wire
	receiver float64 // of the loading engine
	workers  int
	buffer   float64 // MB that the stream takes in before it blocks
	rtt      time.Duration
	noise    bool // incompressible
}

// Measured on one core with a Debian base layer.
var (
	speeds = [levels]float64{5000, 480, 160, 115, 84}
	ratios = [levels]float64{1, 0.46, 0.35, 0.33, 0.32}
)

// A simulation counts how a transfer went.
type simulation struct {
	rate    float64 // MB/s over all
	share   [levels]float64
	changes int
	windows int
}

type times []float64

func (h times) Len() int           { return len(h) }
func (h times) Less(i, j int) bool { return h[i] < h[j] }
func (h times) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *times) Push(x any)        { *h = append(*h, x.(float64)) }
func (h *times) Pop() any          { old := *h; x := old[len(old)-1]; *h = old[:len(old)-1]; return x }

// simulate runs a transfer of so many seconds, block by block, as the
// blockWriter would: a fixed number of blocks, compressed by workers, written
// in order, when the receiver has asked for them.
func simulate(l route, seconds float64, seed uint64, t *tuner) simulation {
	const size = float64(MaxBlock) / 1e6
	rnd := rand.New(rand.NewPCG(1, seed))
	jitter := func() float64 { return 0.85 + 0.3*rnd.Float64() }
	depth := 2*l.workers + 2
	var written, consumed []float64
	workers := make(times, l.workers)
	var taken, end, link, now float64
	var s simulation
	last := t.level()
	pick := func() level {
		v := t.level()
		if v != last {
			s.changes++
			last = v
		}
		return v
	}
	// Samples reach the tuner when their block is written, not before.
	type due struct {
		at float64
		s  sample
	}
	var pending []due
	for i := 0; now < seconds; i++ {
		taken += size / l.source * jitter()
		if i >= depth {
			taken = max(taken, written[i-depth])
		}
		for len(pending) > 0 && pending[0].at <= taken {
			t.wrote(pending[0].s)
			pending = pending[1:]
		}
		v := pick()
		s.share[v]++
		ready, wire := taken, size
		if v != levelNone {
			start := max(taken, heap.Pop(&workers).(float64))
			speed := speeds[v]
			if l.noise {
				speed *= 3
			} else {
				wire *= ratios[v] * jitter()
			}
			ready = start + size/speed*jitter()
			heap.Push(&workers, ready)
		}
		ready = max(ready, end)
		paid := ready
		if i >= window {
			paid = max(ready, consumed[i-window]+l.rtt.Seconds()/2)
		}
		link = max(link, paid) + wire/l.link*jitter()
		done := max(paid, link-l.buffer/l.link)
		d := func(x float64) time.Duration { return time.Duration(x * 1e9) }
		pending = append(pending, due{done, sample{level: v, tuned: true, raw: MaxBlock,
			starved: d(ready - end), blocked: d(paid - ready), writing: d(done - paid)}})
		end = done
		written = append(written, done)
		arrived := link + l.rtt.Seconds()/2
		if i > 0 {
			arrived = max(arrived, consumed[i-1])
		}
		now = arrived + size/l.receiver*jitter()
		consumed = append(consumed, now)
	}
	n := float64(len(consumed))
	s.rate = n * size / now
	s.windows = int(now / tunerWindow.Seconds())
	for v := range s.share {
		s.share[v] /= n
	}
	return s
}

var lines = []struct {
	name  string
	route route
	ends  func(share [levels]float64) bool // how most blocks should be sent
}{
	{"1 MB/s", route{source: 300, link: 1, receiver: 300, workers: 2, buffer: 0.2, rtt: 30 * time.Millisecond}, zstdMostly},
	{"10 MB/s", route{source: 300, link: 10, receiver: 300, workers: 2, buffer: 1, rtt: 5 * time.Millisecond}, zstdMostly},
	{"10 MB/s, deep buffer", route{source: 300, link: 10, receiver: 300, workers: 2, buffer: 6, rtt: 5 * time.Millisecond}, zstdMostly},
	{"30 MB/s", route{source: 300, link: 30, receiver: 300, workers: 4, buffer: 4, rtt: time.Millisecond}, zstdMostly},
	{"gigabit", route{source: 1000, link: 117, receiver: 1000, workers: 2, buffer: 4, rtt: time.Millisecond}, nil},
	{"gigabit, four cores", route{source: 2000, link: 117, receiver: 2000, workers: 4, buffer: 4, rtt: time.Millisecond}, nil},
	{"ten gigabit", route{source: 3000, link: 1200, receiver: 3000, workers: 2, buffer: 4, rtt: time.Millisecond}, noneMostly},
	{"loopback", route{source: 3000, link: 3000, receiver: 3000, workers: 1, buffer: 4}, noneMostly},
	{"slow engine here", route{source: 60, link: 1200, receiver: 1000, workers: 2, buffer: 4}, noneMostly},
	{"slow engine there", route{source: 1000, link: 1200, receiver: 80, workers: 2, buffer: 4}, noneMostly},
	{"slow engine there, gigabit", route{source: 1000, link: 117, receiver: 60, workers: 2, buffer: 4}, noneMostly},
	{"noise, gigabit", route{source: 1000, link: 117, receiver: 1000, workers: 2, buffer: 4, noise: true}, nil},
	{"far", route{source: 300, link: 40, receiver: 300, workers: 4, buffer: 4, rtt: 100 * time.Millisecond}, zstdMostly},
}

func zstdMostly(s [levels]float64) bool { return s[levelNone]+s[levelS2] < 0.4 }
func noneMostly(s [levels]float64) bool { return s[levelNone] > 0.6 }

// The tuner must come near the best fixed level on any line, without changing
// its mind all the time.
func TestTuner(t *testing.T) {
	const seconds = 20
	for i := range 3 * len(lines) {
		test, seed := lines[i/3], uint64(i%3)
		t.Run(fmt.Sprintf("%s/%d", test.name, seed), func(t *testing.T) {
			got := simulate(test.route, seconds, seed, newTuner(CompressAuto))
			best, at := 0.0, level(0)
			var all string
			for v := range levels {
				s := simulate(test.route, seconds, seed, &tuner{fixed: true, current: v})
				all += fmt.Sprintf(" %.1f", s.rate)
				if s.rate > best {
					best, at = s.rate, v
				}
			}
			t.Logf("auto %.1f MB/s, fixed%s; shares %.2f, %d changes in %d windows", got.rate, all, got.share, got.changes, got.windows)
			if got.rate < 0.85*best {
				t.Errorf("%.1f MB/s, but level %d has %.1f", got.rate, at, best)
			}
			if test.ends != nil && !test.ends(got.share) {
				t.Errorf("shares %.2f", got.share)
			}
			if got.changes > got.windows*2/3 {
				t.Errorf("%d changes in %d windows", got.changes, got.windows)
			}
		})
	}
}
