package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		list []float64
		want float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 100, 2}, 3},
	} {
		if got := median(tc.list, func(f float64) float64 { return f }); got != tc.want {
			t.Errorf("median of %v is %v, want %v", tc.list, got, tc.want)
		}
	}
}

func seconds(wire int64, list ...float64) (out []sample) {
	for _, s := range list {
		out = append(out, sample{took: time.Duration(s * float64(time.Second)), wire: wire})
	}
	return out
}

func testReport() *report {
	r := &report{
		facts: []string{"Machine: small"},
		notes: []string{"Without ssh: sshd is not installed."},
		series: []*series{
			{scenario: "cold", contender: "imgsend", onLink: true, samples: seconds(20_000_000, 3, 1, 2)},
			{scenario: "cold", contender: "save | load", rival: true, samples: seconds(592_000_000, 4, 4, 5)},
			{scenario: "cold", contender: "save | ssh | load", rival: true, onLink: true, samples: seconds(600_000_000, 8, 8, 8)},
			{scenario: "cold", contender: "broken", rival: true, onLink: true, samples: append(seconds(1, 0.1, 0.1), sample{err: errors.New("no\nimage")})},
		},
	}
	for i := range r.series[0].samples {
		x := &r.series[0].samples[i]
		x.sendPeak, x.recvPeak, x.floor, x.recvCPU = int64(30_000_000+i), 10_000_000, 20_000_000, 1500*time.Millisecond
	}
	return r
}

func TestMarkdown(t *testing.T) {
	const want = `- Machine: small

| scenario | contender | seconds | × best rival | on the wire | peak memory, sender / receiver |
|---|---|---:|---:|---:|---:|
| cold | imgsend | 2.00 | 0.50 | 20.0 MB | 30.0 MB / ≤ 20.0 MB |
| cold | save \| load | 4.00 | 1.00 | 592 MB in the pipe | – |
| cold | save \| ssh \| load | 8.00 | 2.00 | 600 MB | – |
| cold | broken | failed, 1 of 3 | – | – | – |

- Without ssh: sshd is not installed.
- FAILED: cold, broken: no image
`
	r := testReport()
	if got := r.markdown(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !r.failed() {
		t.Error("a failed run does not count")
	}
}

// A pipe on one machine is no rival of what crosses a slow link.
func TestBestRivalOfLimitedLink(t *testing.T) {
	r := testReport()
	r.limited = true
	for i, want := range []string{"0.25", "–", "1.00", "–"} {
		if got := r.row(r.series[i])[3]; got != want {
			t.Errorf("%s: %s, want %s", r.series[i].contender, got, want)
		}
	}
}

// A part has the time of its own and the bytes of the whole, and is no best rival.
func TestPartial(t *testing.T) {
	whole := &series{scenario: "cold", contender: "a | b", rival: true, onLink: true, samples: seconds(5_000_000, 9, 8)}
	for i := range whole.samples {
		whole.samples[i].part = 2 * time.Second
	}
	r := &report{series: []*series{whole, whole.partial("a")}}
	for i, want := range []string{`cold | a \| b | 8.50 | 1.00 | 5.0 MB | –`, "cold | a | 2.00 | 0.24 | 5.0 MB | –"} {
		if got := strings.Join(r.row(r.series[i]), " | "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMarkdownOfSamples(t *testing.T) {
	r := testReport()
	r.rawValues = true
	got := r.markdown()
	for _, want := range []string{
		"| cold | imgsend | 2 | 1.000 | 20000000 | 30000001 | 10000000 | 0.00 | 1.50 |\n",
		"| cold | save \\| load | 3 | 5.000 | 592000000 | 0 | 0 | 0.00 | 0.00 |\n",
		"| cold | broken | 3 | failed | – | – | – | – | – |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
